"""`python -m emodiss` is the command line."""

from __future__ import annotations

import gc
import sys


def main() -> None:
    """Load the command line and run it; Ctrl-C while it loads is no fault."""
    # Modules stay to the end: to look for garbage among them is a tenth of a short command.
    gc.disable()
    try:
        from emodiss.cli import main as run
    except KeyboardInterrupt:
        sys.exit(130)
    gc.freeze()
    gc.enable()
    run()


if __name__ == "__main__":
    main()
