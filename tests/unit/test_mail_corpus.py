"""Every message of the corpus is read as it should be, or reported, and nothing of it can stop a mailbox."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import fields
from datetime import UTC
from typing import Any

import pytest

from servants.email.mime import parse_message
from servants.email.values import Attachment, ParsedMessage, Participant
from tests.support.mail_corpus import ANYTHING, CORPUS, MailCase

_EACH = pytest.mark.parametrize("case", CORPUS, ids=[case.name for case in CORPUS])


def parsed(data: bytes) -> ParsedMessage:
    return parse_message(io.BytesIO(data))


def test_the_corpus_is_large_and_each_message_has_a_name_and_bytes_of_its_own() -> None:
    assert len(CORPUS) >= 200
    assert len({case.name for case in CORPUS}) == len(CORPUS)


@_EACH
def test_a_message_is_read(case: MailCase) -> None:
    message = parsed(case.data)

    assert {name: getattr(message, name) for name in case.expected} == case.expected
    assert_problem(message.problem, case.problem)
    assert_storable(message)


@_EACH
def test_half_a_message_is_read(case: MailCase) -> None:
    assert_storable(parsed(case.data[: len(case.data) // 2]))


@_EACH
def test_a_message_is_the_same_with_other_line_ends(case: MailCase) -> None:
    """Where a body is text, how its lines end makes no difference."""
    message = parsed(case.data)
    if message.attachments or message.raw or b"\n" not in case.data or b"\r" in case.data.replace(b"\r\n", b""):
        return
    assert parsed(case.data.replace(b"\r\n", b"\n")).text == message.text


def assert_problem(problem: str | None, expected: str | None) -> None:
    if expected is None:
        assert problem is None
    elif expected != ANYTHING:
        assert problem is not None
        assert expected in problem


def assert_storable(message: ParsedMessage) -> None:
    """PostgreSQL takes every text, and the sizes are bounded."""
    for text in _texts(message):
        assert "\0" not in text
        text.encode()  # no half of a surrogate pair
    assert message.problem is None or len(message.problem) <= 500
    assert message.text is None or 0 < len(message.text) <= 1024 * 1024
    assert message.raw is None or len(message.raw) <= 256 * 1024
    assert len(message.references) <= 200
    assert message.sent_at is None or message.sent_at.tzinfo is UTC
    assert (message.text is None) == (message.text_source is None)


def _texts(value: ParsedMessage | Participant | Attachment) -> Iterator[str]:
    for field in fields(value):
        yield from _within(getattr(value, field.name))


def _within(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from _within(item)
    elif isinstance(value, Participant | Attachment):
        yield from _texts(value)
