"""`@servant` declares a type of work; entry points make it known everywhere.

A distribution offers its types in the entry point group `retinue.servants`. The entry's name is the job type, so that
a process finds the one it needs without importing the others:

    [project.entry-points."retinue.servants"]
    "invoice.send" = "acme_servants.invoices:send_invoice"
"""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Callable, Coroutine
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from difflib import get_close_matches
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from retinue.async_job import AsyncJob
from retinue.durations import minutes, seconds
from retinue.errors import ConfigurationError, UnknownType
from retinue.job import BaseJob, Job
from retinue.lanes import ACCOUNT, lane_key
from retinue.order import StrictOrder
from retinue.outcomes import Outcome
from retinue.retry import Exponential, RetryPolicy

P = TypeVar("P", bound=BaseModel)

#: A function on a thread of its own, or a coroutine function in the process's event loop.
Handler = Callable[[Job[P]], Outcome | None] | Callable[[AsyncJob[P]], Coroutine[Any, Any, Outcome | None]]

#: The entry point group in which distributions offer their servants.
GROUP = "retinue.servants"

#: Lower-case words joined by dots. Forty characters leave room for the queue name's prefix and suffix in SQS's eighty.
TYPE_PATTERN = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")
MAX_TYPE_LENGTH = 40


@dataclass(frozen=True, slots=True)
class ServantType(Generic[P]):
    """One type of work: its handler, its payload and the rules its jobs follow."""

    name: str
    #: What `@servant` decorated; it has checked the types.
    handler: Callable[[Any], Any]
    payload: type[P]
    slots: int = 8
    timeout: timedelta = field(default_factory=lambda: minutes(5))
    grace: timedelta = field(default_factory=lambda: seconds(10))
    retry: RetryPolicy = field(default_factory=Exponential)
    lane: str = ACCOUNT
    lane_limit: int | None = None
    type_limit: int | None = None
    order: StrictOrder | None = None
    #: Whether its jobs stand by until they are asked to stop, so that a drain need not wait for them.
    standing: bool = False

    def __post_init__(self) -> None:
        faults = list(_faults(self))
        if faults:
            raise ConfigurationError(f"@servant({self.name!r}): {'; '.join(faults)}")

    def __call__(self, job: BaseJob[P]) -> Any:
        """Call the handler: an outcome, or what to await for one."""
        return self.handler(job)

    @property
    def is_async(self) -> bool:
        """Whether the handler is a coroutine: its jobs then share one event loop, else each has a thread."""
        return inspect.iscoroutinefunction(self.handler)

    @property
    def lane_places(self) -> int | None:
        """How many jobs of one lane may be in flight at once: the declared limit, or 1 in strict order."""
        return self.lane_limit if self.order is None else 1

    def lane_of(self, account_id: int | None, payload: BaseModel) -> str:
        """The lane that a job with this account and payload joins."""
        return lane_key(self.lane, account_id, payload)


def _faults(declared: ServantType[Any]) -> typing.Iterator[str]:
    if not TYPE_PATTERN.fullmatch(declared.name) or len(declared.name) > MAX_TYPE_LENGTH:
        yield f"a type is lower-case words joined by dots, at most {MAX_TYPE_LENGTH} characters: 'calendar.sync'"
    if declared.slots < 1:
        yield f"slots must be at least 1, got {declared.slots}"
    for name, limit in (("lane_limit", declared.lane_limit), ("type_limit", declared.type_limit)):
        if limit is not None and limit < 1:
            yield f"{name} must be at least 1, got {limit}"
    if declared.order is not None and declared.lane_limit not in (None, 1):
        yield f"in strict order a lane runs one job at a time, got lane_limit={declared.lane_limit}"
    if declared.timeout <= timedelta(0) or declared.grace < timedelta(0):
        yield "timeout must be more than 0 and grace at least 0"
    if declared.lane != ACCOUNT and declared.lane not in declared.payload.model_fields:
        yield f"lane={declared.lane!r} is no field of {declared.payload.__name__}"


def servant(name: str, **rules: typing.Unpack[ServantRules]) -> Callable[[Handler[P]], ServantType[P]]:
    """Declare the decorated handler as the servant of job type `name`.

    The payload's model is read from the handler's annotation, `job: Job[Model]`; that of a coroutine is
    `job: AsyncJob[Model]`.

    Raises:
        ConfigurationError: a rule is out of range, or the annotation names no payload model.
    """

    def declare(handler: Handler[P]) -> ServantType[P]:
        return ServantType(name=name, handler=handler, payload=_payload_model(name, handler), **rules)

    return declare


class ServantRules(typing.TypedDict, total=False):
    """The rules `@servant` takes; `ServantType` has their defaults."""

    slots: int
    timeout: timedelta
    grace: timedelta
    retry: RetryPolicy
    lane: str
    lane_limit: int | None
    type_limit: int | None
    order: StrictOrder | None
    standing: bool


def _payload_model(name: str, handler: Handler[P]) -> type[P]:
    try:
        hints = typing.get_type_hints(handler)
    except NameError as error:
        raise ConfigurationError(f"@servant({name!r}): an annotation cannot be read when it runs: {error}") from error
    hints.pop("return", None)
    annotation = next(iter(hints.values()), None)
    arguments = typing.get_args(annotation)
    wanted: type[BaseJob[Any]] = AsyncJob if inspect.iscoroutinefunction(handler) else Job
    if typing.get_origin(annotation) in {Job, AsyncJob} - {wanted}:
        kind = "a coroutine" if wanted is AsyncJob else "no coroutine"
        raise ConfigurationError(f"@servant({name!r}): the handler is {kind}, so it gets job: {wanted.__name__}[…]")
    if len(arguments) == 1 and isinstance(arguments[0], type) and issubclass(arguments[0], BaseModel):
        return typing.cast("type[P]", arguments[0])
    raise ConfigurationError(
        f"@servant({name!r}): annotate the handler's argument with its payload, a pydantic model: job: Job[MyPayload]"
    )


#: Types that are known without an entry point, for a while; the last of a name counts.
_lent: list[ServantType[Any]] = []


@contextmanager
def lent(*servants: ServantType[Any]) -> typing.Iterator[None]:
    """Have these known inside the block as if a distribution offered them; for tests of types that none installs."""
    _lent.extend(servants)
    load_servant.cache_clear()
    try:
        yield
    finally:
        # Not what was there before: another thread may be lending too.
        for kind in servants:
            _lent.remove(kind)
        load_servant.cache_clear()


def registered_types() -> list[str]:
    """The names of all types that installed distributions offer, sorted; imports none of them."""
    return sorted({entry.name for entry in entry_points(group=GROUP)} | {kind.name for kind in _lent})


@cache
def load_servant(name: str) -> ServantType[Any]:
    """Import and return the servant of type `name`.

    Raises:
        UnknownType: no distribution offers it; close names are suggested.
        ConfigurationError: two distributions offer it, or it is not what `@servant` makes, or cannot be imported.
    """
    if lent_ones := [kind for kind in _lent if kind.name == name]:
        return lent_ones[-1]
    found = {(entry.value, entry) for entry in entry_points(group=GROUP, name=name)}
    if not found:
        raise UnknownType(_unknown(name))
    if len(found) > 1:
        raise ConfigurationError(f"Job type {name!r} is offered twice: {', '.join(sorted(v for v, _ in found))}")
    return _load(name, found.pop()[1])


def _load(name: str, entry: EntryPoint) -> ServantType[Any]:
    try:
        declared = entry.load()
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(f"The servant of {name!r} ({entry.value}) cannot be imported: {error}") from error
    if not isinstance(declared, ServantType) or declared.name != name:
        raise ConfigurationError(f"{entry.value} is offered as {name!r} but is not declared with @servant({name!r})")
    return declared


def _unknown(name: str) -> str:
    known = registered_types()
    close = get_close_matches(name, known, n=1)
    hint = f"Did you mean {close[0]!r}? " if close else ""
    return f"Unknown job type {name!r}. {hint}Known types: {', '.join(known) or 'none'}."
