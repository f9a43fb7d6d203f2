"""One trial: data in, narrow model out.

Training needs torch and numpy alone; checkpoints and models also need safetensors. Training itself
is in `trainer.training.loop`, so that programs that only read results need not load torch.
"""

from trainer.errors import UserError
from trainer.result import TrialResult
from trainer.spec import TrialSpec
from trainer.verdict import Status

__all__ = ["Status", "TrialResult", "TrialSpec", "UserError"]
