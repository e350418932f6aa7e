"""What came of an attempt that a test ran."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from retinue.job import Job
from retinue.settlement import Settlement, completed
from retinue.states import JobState, Reason
from retinue.testing.clock import FakeClock
from retinue.testing.record import Anomaly, Committed, Statement


@dataclass(frozen=True, slots=True)
class Ran:
    """What came of one attempt."""

    job: Job[Any]
    #: What the runtime would write; None after `tx.complete()`, which wrote it, and after a lost lease.
    settlement: Settlement | None
    #: The commits that landed, in order.
    commits: list[Committed]
    anomalies: list[Anomaly]
    #: The exception that the handler raised, with its traceback.
    raised: BaseException | None
    clock: FakeClock
    _again: Callable[[], Ran] = field(repr=False)

    @property
    def state(self) -> JobState | None:
        """What the job comes to: `completed`, `failed`, `cancelled`, or `pending` when it is tried again; None if the
        lease was lost."""
        if self.settlement is not None:
            return self.settlement.state
        return JobState.COMPLETED if self.job.settled else None

    @property
    def reason(self) -> Reason | None:
        """Why it comes to that: `retry`, `snooze`, `exhausted`, `permanent` …"""
        if self.settlement is not None:
            return self.settlement.reason
        return Reason.COMPLETE if self.job.settled else None

    @property
    def result(self) -> dict[str, Any] | None:
        """The result that is kept with a completed job."""
        told = next((commit.completed for commit in self.commits if commit.completed is not None), None)
        settlement = self.settlement if told is None else completed(0, 0, told)
        if settlement is None or settlement.result is None:
            return None
        kept: dict[str, Any] = json.loads(settlement.result)
        return kept

    @property
    def error(self) -> Mapping[str, Any] | None:
        """The error that is kept with the job: `kind`, `message`, `fingerprint`, and `rule` if rules are declared."""
        return None if self.settlement is None else self.settlement.error

    @property
    def statements(self) -> list[Statement]:
        """What `tx.execute` ran in commits that landed."""
        return [statement for commit in self.commits for statement in commit.statements]

    @property
    def checkpoint(self) -> Any:
        """What the next attempt starts from."""
        return self.job.checkpoint

    @property
    def progress(self) -> tuple[int | None, int | None]:
        """What `job.progress` told last: done, total."""
        return self.job.done, self.job.total

    @property
    def next_try_at(self) -> datetime | None:
        """When the job is due again, on the fake clock; None if it is not."""
        if self.settlement is None or self.settlement.state is not JobState.PENDING:
            return None
        if self.settlement.until is not None:
            return max(self.settlement.until, self.clock.now())
        return self.clock.now() + timedelta(seconds=max(self.settlement.delay or 0.0, 0.0))

    def again(self) -> Ran:
        """The next attempt: the clock stands at `next_try_at`, the checkpoint and the count of failures are kept.

        Raises:
            ValueError: there is none.
        """
        if self.next_try_at is None:
            raise ValueError(f"there is no next attempt: the job is {self.state or 'lost'} ({self.reason})")
        self.clock.advance_to(self.next_try_at)
        return self._again()
