"""The processes of one installation, told by what they are and where they come from, never by their names."""

from __future__ import annotations

from pathlib import Path

import psutil

END_SECONDS = 20


def processes_of(home: Path) -> set[psutil.Process]:
    """Every live process whose environment, command, program or working directory names `home`, and what it started."""
    ourselves = {psutil.Process(), *psutil.Process().parents()}
    found = {process for process in psutil.process_iter() if _names(process, str(home))} - ourselves
    found |= {child for process in found for child in _descendants(process)}
    return {process for process in found if is_alive(process)}


def is_alive(process: psutil.Process) -> bool:
    """Whether the process still runs; a zombie does not, nor does another one of the same number."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def end_processes(home: Path) -> None:
    """End what a failed test has left, each by its number."""
    left = processes_of(home)
    for process in left:
        if is_alive(process):
            process.kill()
    psutil.wait_procs(left, timeout=END_SECONDS)


def _names(process: psutil.Process, text: str) -> bool:
    try:
        seen = process.as_dict(["environ", "cmdline", "exe", "cwd"])
    except psutil.NoSuchProcess:
        return False
    return text in repr(seen)


def _descendants(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []
