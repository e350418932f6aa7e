"""What one check found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Check:
    """One finding; `mend` says what to do about it and is empty where all is well."""

    name: str
    status: Status
    sentence: str
    mend: str = ""


def ok(name: str, sentence: str) -> Check:
    """All is well."""
    return Check(name, Status.OK, sentence)


def warning(name: str, sentence: str, mend: str) -> Check:
    """It works, but a person should look."""
    return Check(name, Status.WARNING, sentence, mend)


def failed(name: str, sentence: str, mend: str) -> Check:
    """It does not work."""
    return Check(name, Status.FAILED, sentence, mend)
