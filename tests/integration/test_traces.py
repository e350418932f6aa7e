"""A job's trace, from the program that enqueues it to the servant that settles it, as a collector receives it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.util._once import Once

from infra.otel import FLUSH_SECONDS, Tracing
from infra.postgres.enqueue import NewJob, enqueue, enqueue_many
from infra.settings import load_settings
from infra.tracing import ENDPOINT_VARIABLES, start_tracing
from retinue.errors import ConfigurationError
from retinue.servant import load_servant
from scheduler.dispatch import Dispatch
from scheduler.dispatch_traces import DispatchTraces
from tests.support.docs import PAGES
from tests.support.factories import ECHO
from tests.support.otlp_collector import Collector, ReceivedSpan, collecting
from tests.support.runtime import House, open_house


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as collector:
        yield collector


@pytest.fixture
def own_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process has set up no tracing yet, as far as OpenTelemetry can tell; afterwards it is as it was."""
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)
    monkeypatch.setattr(trace, "_TRACER_PROVIDER_SET_ONCE", Once())


@pytest.fixture
def house(database_url: str, sql: psycopg.Connection) -> Iterator[House]:
    with open_house(database_url, sql) as house:
        yield house


class Chain:
    """A program, a scheduler and a servant, all of which send their spans to one collector."""

    def __init__(self, house: House, collector: Collector) -> None:
        self.house = house
        self.collector = collector
        settings = load_settings(env_file=None, otel_endpoint=collector.address, database_url=house.url)
        # The first to start sets up the process: here, the program that enqueues.
        self.program = Tracing.exporting(settings, "program")
        scheduler = start_tracing(settings, "scheduler")
        assert scheduler is not None
        self.scheduler = scheduler
        self.process = house.start(load_servant(ECHO), otel_endpoint=collector.address)

    def dispatch(self) -> int:
        database = self.house.scheduler_database
        traces = DispatchTraces(self.scheduler)
        return Dispatch(database, self.house.queues, alive_seconds=30, traces=traces).run_once().done

    def end(self) -> None:
        """Drain; every span is at the collector."""
        self.process.drain()
        self.scheduler.close()
        self.program.close()


@pytest.fixture
def chain(house: House, collector: Collector, own_program: None) -> Chain:
    return Chain(house, collector)


def run(chain: Chain, payload: dict[str, Any]) -> int:
    """Enqueue a job within a span of the program's own, run it, end; its ID."""
    with trace.get_tracer("program").start_as_current_span("order"):
        job = enqueue(chain.house.sql, ECHO, payload, account_id=7)
    assert chain.dispatch() == 1
    chain.house.wait_for("(SELECT count(*) = 1 FROM job_history)")
    chain.end()
    return job.id


#: Writes something, and completes with it, in a commit of its own.
WRITING = {"message": "hello", "effect": True}


def test_one_trace_from_enqueue_to_settle(chain: Chain) -> None:
    job_id = run(chain, WRITING)
    spans = {span.name.partition(" ")[0]: span for span in chain.collector.spans}
    assert set(spans) == {"order", "enqueue", "dispatch", "perform", "commit", "settle"}
    assert len({span.trace_id for span in spans.values()}) == 1
    parents = {name: _parent(span, spans) for name, span in spans.items()}
    assert parents == {
        "order": None,
        "enqueue": "order",
        "dispatch": "enqueue",
        "perform": "enqueue",
        "commit": "perform",
        "settle": "perform",
    }
    kinds = {name: span.kind for name, span in spans.items()}
    assert kinds == _documented_kinds() | {"order": "internal"}
    assert [spans[name].service for name in ("enqueue", "dispatch", "perform")] == [
        "retinue-program",
        "retinue-scheduler",
        "retinue-servant",
    ]
    assert all(span.attributes["messaging.message.id"] == str(job_id) for name, span in spans.items() if name in NAMED)


#: The spans that name their job; `settle` is a child of the attempt, which does.
NAMED = ("enqueue", "dispatch", "perform", "commit")


def _parent(span: ReceivedSpan, spans: dict[str, ReceivedSpan]) -> str | None:
    return next((name for name, other in spans.items() if other.span_id == span.parent_id), None)


def _documented_kinds() -> dict[str, str]:
    rows = [line.split("|") for line in PAGES["docs/observing.md"].splitlines() if " TYPE` |" in line]
    return {row[1].strip(" `").partition(" ")[0]: row[2].strip() for row in rows}


def test_spans_follow_one_another_in_time(chain: Chain) -> None:
    run(chain, WRITING)
    named = {span.name.partition(" ")[0]: span for span in chain.collector.spans}
    assert named["enqueue"].start <= named["dispatch"].end <= named["perform"].end
    assert named["perform"].start <= named["commit"].start <= named["commit"].end <= named["perform"].end
    assert named["perform"].end <= named["settle"].start + 1_000_000 <= named["settle"].end + 1_000_000


def test_an_attempt_s_span_says_what_it_did(chain: Chain) -> None:
    run(chain, {"fail": "permanent"})
    span = chain.collector.named(f"perform {ECHO}")
    waited = span.attributes.pop("retinue.wait_seconds")
    assert 0 <= waited < 60
    assert span.attributes == {
        "messaging.system": "retinue",
        "messaging.operation.name": "perform",
        "messaging.operation.type": "process",
        "messaging.destination.name": ECHO,
        "messaging.message.id": str(chain.house.sql.execute("SELECT id FROM job_history").fetchall()[0][0]),
        "retinue.job.lane": "account:7",
        "retinue.job.attempt": 1,
        "retinue.job.state": "failed",
        "retinue.job.reason": "permanent",
        "retinue.account.id": 7,
        "retinue.servant.id": chain.process.id,
        "error.type": "PermanentError",
    }
    assert span.status == "error"


def test_a_bulk_enqueue_is_one_span_and_the_parent_of_all(chain: Chain) -> None:
    made = enqueue_many(chain.house.sql, [NewJob(type=ECHO, payload={"message": str(n)}) for n in range(3)])
    assert chain.dispatch() == 3
    chain.house.wait_for("(SELECT count(*) = 3 FROM job_history)")
    chain.end()
    parent = chain.collector.named(f"enqueue {ECHO}")
    assert parent.attributes["messaging.batch.message_count"] == 3
    attempts = [span for span in chain.collector.spans if span.name == f"perform {ECHO}"]
    assert {span.parent_id for span in attempts} == {parent.span_id}
    assert {span.attributes["messaging.message.id"] for span in attempts} == {str(job.id) for job in made}


def test_a_job_that_nobody_traced_begins_a_trace(chain: Chain) -> None:
    """As a schedule's: made without the enqueue."""
    chain.house.add({"message": "hello"}, job_type=ECHO)
    assert chain.dispatch() == 1
    chain.house.wait_for("(SELECT count(*) = 1 FROM job_history)")
    chain.end()
    assert chain.collector.named(f"perform {ECHO}").parent_id == ""
    assert [span for span in chain.collector.spans if span.name.startswith("dispatch")] == []


def test_a_job_keeps_its_trace_and_one_that_exists_keeps_its_own(sql: psycopg.Connection, own_program: None) -> None:
    trace.set_tracer_provider(TracerProvider(shutdown_on_exit=False))
    first = enqueue(sql, ECHO, {"message": "hello"}, unique_key="k")
    ((kept,),) = sql.execute("SELECT traceparent FROM jobs").fetchall()
    assert kept.startswith("00-")
    assert enqueue(sql, ECHO, {"message": "hello"}, unique_key="k").id == first.id
    assert sql.execute("SELECT traceparent FROM jobs").fetchall() == [(kept,)]


def test_a_program_that_traces_nothing_leaves_no_trace(sql: psycopg.Connection, own_program: None) -> None:
    enqueue(sql, ECHO, {"message": "hello"})
    assert sql.execute("SELECT traceparent FROM jobs").fetchall() == [(None,)]


def test_a_collector_that_is_away_holds_nothing_up(house: House, own_program: None) -> None:
    with collecting() as gone:
        address = gone.address
    process = house.start(load_servant(ECHO), otel_endpoint=address)
    house.run({"message": "hello"}, job_type=ECHO)
    house.wait_for("(SELECT count(*) = 1 FROM job_history)")
    began = time.monotonic()
    process.drain()
    assert time.monotonic() - began < 3 * FLUSH_SECONDS


def test_off_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ENDPOINT_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    assert start_tracing(load_settings(env_file=None), "servant") is None


@pytest.mark.parametrize("variable", ENDPOINT_VARIABLES)
def test_opentelemetry_s_own_variables_turn_it_on(
    variable: str, monkeypatch: pytest.MonkeyPatch, own_program: None
) -> None:
    monkeypatch.setenv(variable, "http://127.0.0.1:9")
    tracing = start_tracing(load_settings(env_file=None), "servant")
    assert tracing is not None
    tracing._provider.shutdown()


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "infra.otel", None)
    settings = load_settings(env_file=None, otel_endpoint="http://127.0.0.1:4318")
    with pytest.raises(ConfigurationError, match=r"Install retinue\[otel\]"):
        start_tracing(settings, "servant")


def test_where_it_is_off_nothing_of_it_is_imported() -> None:
    """Neither by a servant, nor by a scheduler, nor by a program that enqueues."""
    program = (
        "import sys, servants.runtime.process, scheduler.process, infra.postgres.enqueue, infra.tracing\n"
        "with infra.tracing.enqueue_span(['a.b']) as span: assert span.traceparent is None\n"
        "print([name for name in sys.modules if name.split('.')[0] in ('opentelemetry', 'google')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)  # noqa: S603 - the text above
    assert done.stdout == "[]\n"
