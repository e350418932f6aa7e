"""Reading a message: against the standard library on mail that is well-formed, and on bytes that are none."""

from __future__ import annotations

import email
import email.headerregistry
import email.policy
import hashlib
import io
import re
import tempfile
import time
import tracemalloc
from base64 import encodebytes
from email.message import EmailMessage
from typing import BinaryIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servants.email.mime import message as message_module
from servants.email.mime import parse_message
from servants.email.mime import source as source_module
from servants.email.mime.source import Slice, Source
from servants.email.values import ParsedMessage
from tests.support.mail_cases import multipart, part
from tests.support.mail_corpus import CORPUS
from tests.unit.test_mail_corpus import assert_storable

_MB = 1024 * 1024

_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=60)
_LINES = st.lists(_TEXT.map(str.strip), min_size=1, max_size=8).map("\n".join)
_NAME = st.text(st.sampled_from("abc xyz,;.\"'äöü漢字(Ж)"), max_size=20)
_FILE = st.tuples(st.binary(max_size=400), st.sampled_from(["a.bin", "Größe.pdf", "x" * 120 + ".txt", "漢 字.png"]))

#: What messages are made of, to be put together in any order.
_PIECES = (
    *(b"--b", b"--b--", b"\r\n", b"\n", b"\r", b"\r\n\r\n", b" ", b'"', b"(", b"<", b">", b"@", b"=", b"\0", b"\xff"),
    *(b"Subject: x", b"From: ", b"Date: ", b"Content-Type: ", b"Content-Transfer-Encoding: base64", b"begin 644 x"),
    *(b"multipart/mixed; ", b"boundary=b", b'multipart/alternative; boundary="b"', b"text/html", b"message/rfc822"),
    *(b"=?utf-8?q?", b"?=", b"charset=", b"utf-16"),
)


def parsed(data: bytes) -> ParsedMessage:
    return parse_message(io.BytesIO(data))


@given(st.binary(max_size=2000))
def test_any_bytes_are_survived(data: bytes) -> None:
    assert_storable(parsed(data))


@given(st.lists(st.sampled_from(_PIECES), max_size=60).map(b"".join))
def test_any_pieces_of_mail_are_survived(data: bytes) -> None:
    assert_storable(parsed(data))


@given(st.sampled_from([case.data for case in CORPUS if len(case.data) < 20_000]), st.data())
@settings(max_examples=200)
def test_a_damaged_message_is_survived(data: bytes, choices: st.DataObject) -> None:
    """A run of bytes is taken out and others are put in its place, as often as not within a header."""
    start = choices.draw(st.integers(0, len(data)))
    end = choices.draw(st.integers(start, len(data)))
    assert_storable(parsed(data[:start] + choices.draw(st.binary(max_size=20)) + data[end:]))


@given(
    _LINES,
    st.none() | _LINES,
    st.lists(_FILE, max_size=3),
    _NAME,
    _TEXT,
    st.sampled_from(["base64", "quoted-printable", "8bit"]),
)
@settings(deadline=None)
def test_well_formed_mail_is_what_the_standard_library_reads(
    text: str, html: str | None, files: list[tuple[bytes, str]], name: str, subject: str, cte: str
) -> None:
    written = _composed(text, html, files, name, subject, cte)
    reference = email.message_from_bytes(written, policy=email.policy.default)

    message = parsed(written)

    body = reference.get_body(("plain",))
    assert body is not None
    assert message.problem is None
    assert (message.text or "") == _without_controls(body.get_content())
    assert [(one.content_hash, one.size, one.filename) for one in message.attachments] == [
        (hashlib.sha256(content).hexdigest(), len(content), found.get_filename())
        for found in reference.iter_attachments()
        if isinstance(content := found.get_payload(decode=True), bytes)
    ]
    assert (message.subject or "") == " ".join(str(reference["Subject"]).split())
    assert [person.address for person in message.participants] == [
        found.addr_spec.lower() for field in ("From", "To") for found in reference[field].addresses
    ]
    assert message.sent_at == reference["Date"].datetime


def _composed(text: str, html: str | None, files: list[tuple[bytes, str]], name: str, subject: str, cte: str) -> bytes:
    message = EmailMessage()
    message["From"] = email.headerregistry.Address(name, "Ann.Lee", "example.com")
    message["To"] = "bob@example.org, Carl <carl@example.net>"
    message["Subject"] = subject
    message["Date"] = "Tue, 05 Mar 2024 13:00:00 +0100"
    message.set_content(text, cte=cte)
    if html is not None:
        # a text that may only stand in for HTML is another test's matter
        message.set_content(text + "\n" + "This plain text is no stub, as its length shows.", cte=cte)
        message.add_alternative(f"<p>{html}</p>", subtype="html", cte="quoted-printable")
    for content, filename in files:
        message.add_attachment(content, maintype="application", subtype="octet-stream", filename=filename)
    return message.as_bytes(policy=email.policy.SMTP)


def _without_controls(text: str) -> str:
    kept = re.sub("[\x00-\x08\x0b-\x1f\x7f]", "", text.replace("\r\n", "\n").replace("\r", "\n")).strip("\n")
    return kept if kept.strip() else ""


@given(st.binary(max_size=60), st.binary(min_size=1, max_size=3), st.integers(0, 60))
def test_a_window_finds_what_is_there(data: bytes, needle: bytes, start: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source_module, "WINDOW", 7)
        patch.setattr(source_module, "PIECE", 3)
        source = Source(io.BytesIO(data))

        assert source.find(needle, start) == data.find(needle, start)
        assert b"".join(source.pieces(Slice(start, 55))) == data[start:55]


@pytest.mark.parametrize("offset", range(-4, 16))
def test_a_delimiter_at_the_edge_of_the_window_is_seen(offset: int) -> None:
    head = b'Content-Type: multipart/mixed; boundary="frontier"\r\n\r\n'
    preamble = b"x" * (source_module.WINDOW - len(head) - offset)
    whole = head + preamble + b"\r\n" + multipart("mixed", part("text/plain", "Hello.")).partition(b"\r\n\r\n")[2]

    assert parsed(whole).text == "Hello."


@pytest.mark.parametrize("encoding", ["base64", "quoted-printable", "8bit"])
def test_a_message_of_50_mb_is_read_in_flat_memory(encoding: str) -> None:
    line, content = _LARGE[encoding]
    lines = 50 * _MB // len(line)
    expected = hashlib.sha256()
    for _ in range(lines):
        expected.update(content)
    with tempfile.TemporaryFile() as file:
        _write_large(file, encoding, lines)
        tracemalloc.start()
        try:
            message = parse_message(file)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

    (attached,) = message.attachments
    assert message.text == "Hello."
    assert message.problem is None
    assert (attached.size, attached.content_hash) == (lines * len(content), expected.hexdigest())
    assert peak < 4 * _MB


#: A line, or some, of an encoded file, and what it stands for.
_CONTENT = bytes(range(256)) * 57
_LARGE = {
    "base64": (encodebytes(_CONTENT), _CONTENT),
    "quoted-printable": (b"=41bc" * 12 + b"=\n", b"Abc" * 12),
    "8bit": (b"y" * 300_000, b"y" * 300_000),
}


def _write_large(file: BinaryIO, encoding: str, lines: int) -> None:
    """A message that is nearly all one attachment."""
    file.write(b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\nHello.\n--b\n")
    file.write(
        f"Content-Type: application/octet-stream; name=a.bin\nContent-Transfer-Encoding: {encoding}\n\n".encode()
    )
    file.writelines(_LARGE[encoding][0] for _ in range(lines))
    file.write(b"\n--b--\n")


def test_a_text_of_50_mb_is_cut() -> None:
    with tempfile.TemporaryFile() as file:
        file.write(b"Subject: long\n\n")
        for _ in range(50):
            file.write(b"word " * (_MB // 5))
        tracemalloc.start()
        try:
            message = parse_message(file)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

    assert message.text is not None
    assert len(message.text) <= _MB
    assert message.problem == "the text is longer than 1024 kB and was cut"
    assert peak < 8 * _MB


def test_the_file_stays_open() -> None:
    file = io.BytesIO(b"Subject: x\r\n\r\nHello.")
    parse_message(file)
    assert not file.closed


def test_an_error_nobody_thought_of_is_reported_with_the_beginning_of_the_message(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fails(*_: object) -> None:
        raise ZeroDivisionError("words of the message")

    monkeypatch.setattr(message_module, "read_structure", fails)
    message = parsed(b"Subject: x\r\n\r\n" + b"y" * _MB)

    assert message.problem == "it cannot be read: ZeroDivisionError"
    assert message.raw is not None
    assert len(message.raw) == 256 * 1024


def test_a_file_that_fails_is_no_fault_of_the_message() -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        parse_message(Broken(b"Subject: x\r\n\r\n"))


def test_a_file_shorter_than_it_says_is_read_to_its_end() -> None:
    class Short(io.BytesIO):
        def seek(self, offset: int, whence: int = 0, /) -> int:
            return super().seek(offset, whence) + (1000 if whence == io.SEEK_END else 0)

    assert parse_message(Short(b"Subject: x\r\n\r\nHello.")).text == "Hello."


def test_the_corpus_takes_no_message_long() -> None:
    """A bound against runaway patterns, far above what the slowest takes."""
    for case in CORPUS:
        start = time.process_time()
        parsed(case.data)
        assert time.process_time() - start < 5, case.name
