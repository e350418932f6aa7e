"""A machine on which nothing has happened yet, made once in each process of the tests: a cluster takes seconds."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

from bench.machine import copy_database, machine


@cache
def prepared_machine() -> Path:
    """The directory of its database, for `machine(like=…)`."""
    directory = Path(tempfile.mkdtemp(prefix="retinue-prepared-"))
    directory.chmod(0o711)
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    with machine() as made:
        made.stop("postgres")
        copy_database(made.directory, directory)
    return directory
