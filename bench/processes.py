"""What processes cost."""

from __future__ import annotations

from collections.abc import Iterable

import psutil

MEBIBYTE = 2**20


def pss(process: psutil.Process) -> float:
    """MiB of memory, shared pages counted in proportion."""
    return float(process.memory_full_info().pss) / MEBIBYTE


def cpu_seconds(processes: Iterable[psutil.Process]) -> float:
    """Seconds of processor time that these processes have had."""
    return sum(sum(process.cpu_times()[:2]) for process in processes)
