from __future__ import annotations

import asyncio
import contextvars
import json
import logging
from collections.abc import Iterator

import pytest

from infra.log_lines import MAX_FIELDS, MAX_LINES, MAX_TEXT, LogLines, keep_lines
from infra.logs import get_logger
from retinue.settlement import holds_nul
from tests.support.runtime import captured_logs

log = get_logger("tests.log_lines")


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with captured_logs():
        yield


def logged(lines: LogLines) -> list[object]:
    return [line["event"] for line in lines.taken()]


def in_a_context_of_its_own(work: object) -> LogLines:
    def run() -> LogLines:
        lines = keep_lines()
        assert callable(work)
        work()
        return lines

    return contextvars.copy_context().run(run)


def test_a_line_is_kept_with_its_fields_and_without_what_every_line_carries() -> None:
    (line,) = in_a_context_of_its_own(lambda: log.warning("page_read", rows=200, job=7, attempt=1)).taken()
    assert line.pop("at") > 1_000_000_000
    assert line == {"event": "page_read", "rows": 200, "level": "warning", "logger_name": "tests.log_lines"}


def test_secrets_are_masked_before_a_line_is_kept() -> None:
    (line,) = in_a_context_of_its_own(
        lambda: log.info("signed_in", password="hunter2", url="x://me:hunter2@h/")
    ).taken()
    assert "hunter2" not in json.dumps(line)


def test_lines_of_the_standard_library_are_kept_too() -> None:
    assert logged(in_a_context_of_its_own(lambda: logging.getLogger("vendor").warning("slow answer"))) == [
        "slow answer"
    ]


def test_only_the_last_lines_are_kept_and_the_others_counted() -> None:
    def work() -> None:
        for number in range(MAX_LINES + 7):
            log.info("step", number=number)

    lines = in_a_context_of_its_own(work)
    assert [line["number"] for line in lines.taken()] == list(range(7, MAX_LINES + 7))
    assert lines.left_out == 7


def test_nothing_is_kept_once_it_has_ended_nor_of_another_attempt() -> None:
    def work() -> None:
        log.info("mine")
        lines.end()
        log.info("about it")

    lines = LogLines()

    def run() -> None:
        nonlocal lines
        lines = keep_lines()
        work()

    contextvars.copy_context().run(run)
    log.info("outside")
    assert logged(lines) == ["mine"]


def test_tasks_and_threads_beside_a_coroutine_log_into_its_lines() -> None:
    async def attempt(name: str) -> LogLines:
        lines = keep_lines()
        await asyncio.gather(asyncio.to_thread(log.info, f"{name} thread"), child(name))
        return lines

    async def child(name: str) -> None:
        log.info(f"{name} task")

    async def both() -> tuple[LogLines, LogLines]:
        return await asyncio.gather(attempt("a"), attempt("b"))

    first, second = asyncio.run(both())
    assert sorted(map(str, logged(first))) == ["a task", "a thread"]
    assert sorted(map(str, logged(second))) == ["b task", "b thread"]


def test_a_line_is_bounded() -> None:
    fields = {f"field_{n}": "x" * 10_000 for n in range(50)}
    (line,) = in_a_context_of_its_own(lambda: log.info("much", rows=[1] * 10_000, **fields)).taken()
    assert len(line) == MAX_FIELDS + 1
    assert {len(value) for value in line.values() if isinstance(value, str) and len(value) > 50} == {MAX_TEXT}


@pytest.mark.parametrize("value", ["a\0b", "\ud800", 10**400, float("inf"), {"nested": "\0"}, object()])
def test_a_line_is_kept_as_postgresql_can_store_it(value: object) -> None:
    (line,) = in_a_context_of_its_own(lambda: log.info("odd", value=value)).taken()
    text = json.dumps(line, allow_nan=False)
    assert not holds_nul(text)
    assert "\\ud800" not in text
