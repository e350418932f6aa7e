"""The jobs this process holds: claimed, running, or finished and not yet settled."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from retinue.job import BaseJob, JobFacts
from servants.runtime.evidence import Evidence

#: Guards who is the first to ask a job to stop; held for a moment.
_asking = threading.Lock()


@dataclass(slots=True, eq=False)
class HeldJob:
    """A claimed job on its way through the process. Times are monotonic seconds."""

    facts: JobFacts
    payload_json: str
    claimed_at: float
    started_at: float | None = None
    job: BaseJob[Any] | None = None
    #: When and why it was asked to stop; past the grace it is settled over its head.
    asked_at: float | None = None
    asked_why: str = ""
    #: A coroutine is inside its handler, where its task may be cancelled.
    interruptible: bool = False
    #: When it was interrupted, past its grace; only a coroutine can be.
    interrupted_at: float | None = None
    #: When its lease was renewed last.
    renewed_at: float | None = None
    #: Its handler has ended; what came of it may still wait to be written.
    finished: bool = False
    #: It began although the servants before died with it.
    on_trial: bool = False
    #: Another attempt has the job, or nobody; a heartbeat found out.
    lost: bool = False
    #: Seconds that were reported as used beyond what its lane was charged with at dispatch.
    reported: float = 0.0
    #: The watch or the drain settled it over its head.
    abandoned: bool = False
    #: What is kept of it should it fail; None before it begins.
    evidence: Evidence | None = None
    #: Its span, and when its outcome was there to be written; None where traces are off, or it never began.
    trace: tuple[Any, int] | None = None

    @property
    def over(self) -> bool:
        """Whether nothing is left to write: given up, lost, or completed in the job's own commit."""
        return self.abandoned or self.lost or (self.job is not None and self.job.settled)

    def ask_to_stop(self, why: str, now: float) -> None:
        """Ask the handler to stop; the first reason and its moment stay."""
        with _asking:
            if self.asked_at is None:
                self.asked_why, self.asked_at = why, now
        # Last: a handler that is about to begin sets `job` first and then looks at `asked_at`.
        if self.job is not None:
            self.job.cancelled.ask(self.asked_why)


@dataclass
class HeldJobs:
    """All held jobs in the order of their claims, and a condition that is notified when one leaves.

    By attempt, not by ID: one whose lease was lost may still run here when a later attempt of its job is claimed.
    """

    _jobs: dict[HeldJob, None] = field(default_factory=dict)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def add(self, jobs: Iterable[HeldJob]) -> None:
        self._jobs.update(dict.fromkeys(jobs))

    def remove(self, jobs: Iterable[HeldJob]) -> None:
        with self.changed:
            for held in jobs:
                self._jobs.pop(held, None)
            self.changed.notify_all()

    def snapshot(self) -> list[HeldJob]:
        """All held jobs now; one bytecode, so it needs no lock."""
        return list(self._jobs)

    def running(self) -> list[HeldJob]:
        """Those whose handler has begun and not ended, abandoned ones left out."""
        return [
            held for held in self.snapshot() if held.started_at is not None and not held.finished and not held.abandoned
        ]

    def __len__(self) -> int:
        return len(self._jobs)

    def wait_until_empty(self, timeout: float) -> bool:
        """Wait until no job is held; False if some still are after `timeout` seconds."""
        with self.changed:
            return self.changed.wait_for(lambda: not self._jobs, timeout)
