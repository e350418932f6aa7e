"""`@servant`: the payload from the annotation, rules checked at import, and types found by entry point."""

from __future__ import annotations

import subprocess
import sys
import typing
from collections.abc import Iterator
from importlib.metadata import EntryPoint, EntryPoints
from typing import Any

import pytest

from retinue import AsyncJob, Completed, Job, NoRetry, Outcome, Payload, ServantType, minutes, seconds, servant
from retinue import servant as declare
from retinue.errors import ConfigurationError, UnknownType
from retinue.job import JobFacts
from retinue.servant import GROUP, MAX_TYPE_LENGTH, lent, load_servant, registered_types


class Invoice(Payload):
    number: int


@servant("invoice.send", slots=3, timeout=minutes(2), grace=seconds(1), retry=NoRetry(), lane="number", lane_limit=4)
def send_invoice(job: Job[Invoice]) -> Outcome:
    """Send it."""
    return Completed({"number": job.payload.number})


def handle(job: Job[Invoice]) -> None:
    """A handler for rules under test."""


def test_the_payload_is_read_from_the_annotation() -> None:
    assert send_invoice.payload is Invoice
    assert (send_invoice.name, send_invoice.slots, send_invoice.lane_limit) == ("invoice.send", 3, 4)
    assert (send_invoice.timeout, send_invoice.grace) == (minutes(2), seconds(1))


def test_rules_have_defaults() -> None:
    plain = servant("invoice.print")(handle)
    assert (plain.slots, plain.timeout, plain.lane, plain.lane_limit) == (8, minutes(5), "account", None)
    assert plain.retry.attempts == 10


def test_the_declared_type_calls_its_handler() -> None:
    facts = JobFacts(1, "invoice.send", 1, None, "system", 0, None, None, None)
    job: Job[Invoice] = Job(facts, Invoice(number=5), services=typing.cast("Any", None))
    assert send_invoice(job) == Completed({"number": 5})


@pytest.mark.parametrize(
    ("name", "rules", "message"),
    [
        ("invoice", {}, "a type is lower-case words joined by dots"),
        ("Invoice.Send", {}, "a type is lower-case words joined by dots"),
        ("invoice.send ", {}, "a type is lower-case words joined by dots"),
        ("invoice..send", {}, "a type is lower-case words joined by dots"),
        ("invoice.send\n", {}, "a type is lower-case words joined by dots"),
        ("invoice.1st", {}, "a type is lower-case words joined by dots"),
        ("a." + "b" * MAX_TYPE_LENGTH, {}, "at most 40 characters"),
        ("invoice.send", {"slots": 0}, "slots must be at least 1, got 0"),
        ("invoice.send", {"lane_limit": 0}, "lane_limit must be at least 1, got 0"),
        ("invoice.send", {"timeout": seconds(0)}, "timeout must be more than 0"),
        ("invoice.send", {"grace": seconds(-1)}, "grace at least 0"),
        ("invoice.send", {"lane": "nubmer"}, "lane='nubmer' is no field of Invoice"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused_at_import(name: str, rules: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        servant(name, **rules)(handle)
    assert message in caught.value.message
    assert repr(name) in caught.value.message


def test_every_fault_is_named_at_once() -> None:
    with pytest.raises(ConfigurationError, match=r"slots must be.*; lane_limit must be"):
        servant("invoice.send", slots=-1, lane_limit=0)(handle)


def test_a_handler_without_a_payload_model_is_told_what_to_write() -> None:
    def bare(job) -> None: ...  # type: ignore[no-untyped-def] # the fault under test

    def unnamed(job: Job) -> None: ...  # type: ignore[type-arg] # the fault under test

    def no_model(job: Job[int]) -> None: ...  # type: ignore[type-var] # the fault under test

    def none() -> None: ...

    for handler in (bare, unnamed, no_model, none):
        with pytest.raises(ConfigurationError, match=r"annotate the handler's argument.*job: Job\[MyPayload\]"):
            declare("invoice.send")(handler)  # type: ignore[arg-type] # the fault under test


def test_an_annotation_that_is_imported_for_checkers_only_is_named() -> None:
    def handler(job: Job[Missing]) -> None: ...  # type: ignore[name-defined] # noqa: F821 - the fault under test

    with pytest.raises(ConfigurationError, match="an annotation cannot be read when it runs: name 'Missing'"):
        declare("invoice.send")(handler)


def offer(monkeypatch: pytest.MonkeyPatch, **offered: str | list[str]) -> None:
    """Let distributions offer these types (`_` for `.`) and no others."""
    points = [
        EntryPoint(name.replace("_", "."), value, GROUP)
        for name, values in offered.items()
        for value in ([values] if isinstance(values, str) else values)
    ]
    monkeypatch.setattr(sys.modules["retinue.servant"], "entry_points", EntryPoints(points).select)


@pytest.fixture(autouse=True)
def forget_servants() -> Iterator[None]:
    """Types are looked up once a process: not so here."""
    load_servant.cache_clear()
    yield
    load_servant.cache_clear()


def test_the_systems_own_types_are_registered() -> None:
    assert {"system.echo", "system.sleep", "calendar.sync"} <= set(registered_types())
    assert load_servant("system.echo").name == "system.echo"


def test_an_offered_type_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, invoice_send=f"{__name__}:send_invoice", other_type="nowhere:nothing")
    monkeypatch.setitem(sys.modules, __name__, sys.modules[send_invoice.handler.__module__])
    assert load_servant("invoice.send") is send_invoice
    assert registered_types() == ["invoice.send", "other.type"]


def test_the_same_offer_twice_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with a checkout that is installed and on the path too."""
    offer(monkeypatch, system_echo=["servants.system:echo", "servants.system:echo"])
    assert load_servant("system.echo").name == "system.echo"


@pytest.mark.parametrize(
    ("offered", "message"),
    [
        (
            "nowhere.at_all:thing",
            r"servant of 'system.echo' \(nowhere.at_all:thing\) cannot be imported: No module",
        ),
        ("servants.system:gone", "cannot be imported: module 'servants.system' has no attribute 'gone'"),
        ("servants.system:sleep", r"offered as 'system.echo' but is not declared with @servant\('system.echo'\)"),
        ("servants.system:Echo", "is not declared with @servant"),
        (["servants.system:echo", "other:echo"], "'system.echo' is offered twice: other:echo, servants.system:echo"),
    ],
)
def test_an_offer_that_cannot_be_used_is_explained(
    monkeypatch: pytest.MonkeyPatch, offered: str | list[str], message: str
) -> None:
    offer(monkeypatch, system_echo=offered)
    with pytest.raises(ConfigurationError, match=message):
        load_servant("system.echo")


def test_an_unknown_type_names_the_known_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, system_echo="servants.system:echo")
    with pytest.raises(UnknownType) as caught:
        load_servant("system.ehco")
    assert caught.value.message == (
        "Unknown job type 'system.ehco'. Did you mean 'system.echo'? Known types: system.echo."
    )
    offer(monkeypatch)
    with pytest.raises(UnknownType, match=r"Unknown job type 'a\.b'\. Known types: none\."):
        load_servant("a.b")


def test_naming_the_types_imports_none_of_them() -> None:
    program = (
        "import sys; from retinue.servant import registered_types; assert 'system.echo' in registered_types()\n"
        "assert not [name for name in sys.modules if name.startswith('servants')]"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)  # noqa: S603 - our own program


def test_a_declared_type_is_a_value() -> None:
    assert isinstance(send_invoice, ServantType)
    with pytest.raises(AttributeError):
        send_invoice.slots = 9  # type: ignore[misc] # the fault under test


def test_a_coroutine_gets_an_async_job() -> None:
    @servant("hook.push")
    async def push(job: AsyncJob[Invoice]) -> Outcome:
        return Completed()

    assert push.is_async
    assert push.payload is Invoice
    assert not send_invoice.is_async


def test_a_handler_with_the_other_kind_of_job_is_refused() -> None:
    async def push(job: Job[Invoice]) -> Outcome:
        return Completed()

    def pull(job: AsyncJob[Invoice]) -> Outcome:
        return Completed()

    with pytest.raises(ConfigurationError, match=r"the handler is a coroutine, so it gets job: AsyncJob\[…\]"):
        servant("hook.push")(push)  # type: ignore[arg-type] # the fault under test
    with pytest.raises(ConfigurationError, match=r"the handler is no coroutine, so it gets job: Job\[…\]"):
        servant("hook.pull")(pull)  # type: ignore[arg-type] # the fault under test


def test_a_type_may_be_lent_for_a_while() -> None:
    other = servant("invoice.send")(handle)
    with lent(send_invoice):
        assert load_servant("invoice.send") is send_invoice
        assert "invoice.send" in registered_types()
        with lent(other):
            assert load_servant("invoice.send") is other
        assert load_servant("invoice.send") is send_invoice
    with pytest.raises(UnknownType):
        load_servant("invoice.send")
