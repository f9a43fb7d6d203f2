"""One trial: data in, narrow model out.

Trains with torch and numpy alone; checkpoints and models need safetensors. The types are here,
training is in `trainer.training.loop`, so that programs that only read results need not load torch.
"""

from trainer.errors import UserError
from trainer.spec import Status, TrialResult, TrialSpec

__all__ = ["Status", "TrialResult", "TrialSpec", "UserError"]
