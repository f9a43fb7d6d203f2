"""`python -m sweeper`, the same as `sweeper`."""

import os
import sys
from importlib.util import find_spec


def leave_out_current_folder() -> None:
    """Import nothing that lies in the current folder, which `python -m` has put first.

    A checkout that is not installed is found there alone: it comes after all else, but for the
    processes that this one starts.
    """
    if sys.flags.safe_path:
        return
    here = sys.path.pop(0)
    if find_spec("trainer") is None:
        sys.path.append(here)
        os.environ["PYTHONPATH"] = os.pathsep.join(
            filter(None, [here, os.environ.get("PYTHONPATH")])
        )


if __name__ == "__main__":
    leave_out_current_folder()

    from sweeper.cli.main import main

    main()
