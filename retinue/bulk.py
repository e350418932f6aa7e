"""Bulk operations: what is done to all jobs that a filter takes. `Bulk` is the payload of the type `system.bulk`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, Field, ValidationError, model_validator

from retinue.errors import InvalidPayload
from retinue.payload import Payload
from retinue.states import IN_FLIGHT, JobState, Reason, arrivals

#: The type of the jobs that carry bulk operations out.
BULK_TYPE = "system.bulk"

#: Jobs a second unless another rate is given, and at most.
RATE = 500.0
MAX_RATE = 10_000.0

_UNFINISHED = IN_FLIGHT | {JobState.PENDING}


class Operation(StrEnum):
    """What is done to each job."""

    CANCEL = "cancel"
    RETRY = "retry"
    RESCHEDULE = "reschedule"


#: The states in which an operation looks for jobs, and those it looks in unless others are asked for.
TAKEN_STATES = {
    Operation.CANCEL: _UNFINISHED,
    Operation.RETRY: frozenset({JobState.FAILED, JobState.CANCELLED}),
    Operation.RESCHEDULE: _UNFINISHED,
}
_USUAL_STATES = TAKEN_STATES | {Operation.RETRY: frozenset({JobState.FAILED})}


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must be printable characters")
    return text


_Word = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_printable)]


class BulkFilter(Payload):
    """Which jobs; what is None takes all.

    `since` and `until` bound the time when a job was made, or finished where the operation is a retry: from `since` on,
    and before `until`. `error_text` is what the last error says somewhere, in capitals or not. `everything` stands for
    no bound but the states, which nobody should ask for by mistake.
    """

    type: _Word | None = None
    account_id: int | None = Field(default=None, ge=1, lt=2**63)
    lane: _Word | None = None
    states: tuple[JobState, ...] = ()
    reason: Reason | None = None
    error_kind: _Word | None = None
    error_text: _Word | None = None
    fingerprint: str | None = Field(default=None, pattern=r"^[0-9a-f]{8}$")
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    everything: bool = False

    @property
    def is_bounded(self) -> bool:
        """Whether it names more than states."""
        return bool(self.model_dump(exclude={"states", "everything"}, exclude_none=True))


class BulkOrder(Payload):
    """What to do to which jobs: `run_at` is the new time for `reschedule`, `rate` the most jobs a second."""

    operation: Operation
    filter: BulkFilter
    run_at: AwareDatetime | None = None
    rate: float = Field(default=RATE, gt=0, le=MAX_RATE)

    @model_validator(mode="after")
    def _fits_together(self) -> BulkOrder:
        faults = list(_faults(self))
        if faults:
            raise ValueError("; ".join(faults))
        return self

    @property
    def states(self) -> frozenset[JobState]:
        """The states in which jobs are looked for."""
        return frozenset(self.filter.states) or _USUAL_STATES[self.operation]

    @property
    def page_jobs(self) -> int:
        """Jobs done in one commit: no more than a second's, so that the rate is kept evenly."""
        return min(500, math.ceil(self.rate))


class Bulk(BulkOrder):
    """An order and its boundary: no job with a larger ID, and none that finished later, is touched.

    `expected` is how many jobs the preview counted, None where it did not count to the end.
    """

    up_to_id: int
    up_to: AwareDatetime
    expected: int | None = None


def bulk_order(**values: Any) -> BulkOrder:
    """The fields of `BulkOrder`, checked.

    Raises:
        InvalidPayload: says what does not fit, or does not fit together.
    """
    try:
        return BulkOrder.model_validate(values)
    except ValidationError as error:
        raise InvalidPayload("; ".join(_sentences(error)) + ".") from None


def _sentences(error: ValidationError) -> Iterator[str]:
    for fault in error.errors(include_input=False):
        place = ".".join(str(part) for part in fault["loc"])
        message = fault["msg"].removeprefix("Value error, ")
        yield f"{place}: {message}" if place else message


def _faults(order: BulkOrder) -> Iterator[str]:
    wanted, operation = order.filter, order.operation
    if not wanted.is_bounded and not wanted.everything:
        yield "give a filter besides the state, or ask for all jobs explicitly"
    if wanted.is_bounded and wanted.everything:
        yield "ask for all jobs or give a filter, not both"
    if wanted.since and wanted.until and wanted.since >= wanted.until:
        yield "since must be before until"
    if (operation is Operation.RESCHEDULE) != (order.run_at is not None):
        yield "reschedule needs a new time, and nothing else takes one"
    if order.run_at is not None and not 1970 <= order.run_at.year < 9000:
        yield f"the new time is in the years 1970 to 8999, got {order.run_at.isoformat()}"
    yield from _state_faults(order)


def _state_faults(order: BulkOrder) -> Iterator[str]:
    taken = TAKEN_STATES[order.operation]
    if wrong := sorted(frozenset(order.filter.states) - taken):
        yield f"{order.operation} takes jobs that are {', '.join(sorted(taken))}, not {', '.join(wrong)}"
    elif order.filter.reason is not None:
        possible = frozenset().union(*(arrivals()[state] for state in order.states))
        if order.filter.reason not in possible:
            words = f"no job that is {' or '.join(sorted(order.states))} is so for the reason {order.filter.reason}"
            yield f"{words}: {', '.join(sorted(possible))}"
