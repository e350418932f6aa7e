"""How a program leaves when its configuration is wrong, so that supervisord does not start it for ever."""

from __future__ import annotations

import os
import sys
import time
from typing import NoReturn

#: sysexits.h, EX_CONFIG. supervisord is told not to restart a program that leaves with it.
CONFIGURATION_EXIT_CODE = 78

#: How long a program has to stay up before supervisord takes its start as done.
START_SECONDS = 1


def leave_misconfigured(message: str) -> NoReturn:
    """Print `message` to stderr and exit with 78.

    supervisord looks at the exit code only after a start has succeeded; an exit before `START_SECONDS` is retried
    whatever its code. So below supervisord the process stays until its start counts.
    """
    sys.stderr.write(f"{message}\n")
    sys.stderr.flush()
    if os.environ.get("SUPERVISOR_ENABLED"):
        time.sleep(START_SECONDS)
    raise SystemExit(CONFIGURATION_EXIT_CODE)
