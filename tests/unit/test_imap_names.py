"""Mailbox names: modified UTF-7 and UTF-8, and what servers send that is neither."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servants.email.imap.names import decode_name, encode_name

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(lambda name: name.upper() != "INBOX")


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        (b"~peter/mail/&U,BTFw-/&ZeVnLIqe-", "~peter/mail/台北/日本語"),
        (b"Entw&APw-rfe", "Entwürfe"),
        (b"Q&-A", "Q&A"),
        (b"&2D3eAA-", "😀"),
        (b"inbox", "INBOX"),
        (b"Inbox/inbox", "Inbox/inbox"),
    ],
)
def test_modified_utf7(raw: bytes, name: str) -> None:
    assert decode_name(raw) == name
    assert encode_name(name) == raw or name == "INBOX"


@given(NAMES)
def test_every_name_goes_there_and_back(name: str) -> None:
    for utf8 in (False, True):
        raw = encode_name(name, utf8=utf8)
        assert decode_name(raw, utf8=utf8) == name
        assert utf8 or (raw.isascii() and raw.decode().isprintable())


@given(st.binary(max_size=30))
def test_whatever_a_server_lists_has_a_name(raw: bytes) -> None:
    for utf8 in (False, True):
        assert isinstance(decode_name(raw, utf8=utf8), str)


@pytest.mark.parametrize("raw", [b"Q&A", b"&AGE-", b"&", b"&-&", b"&AP!-", b"&AP-", b"&2D0-", b"&U,BTFw-&ZeVnLIqe-"])
def test_what_is_no_encoding_keeps_its_letters(raw: bytes) -> None:
    assert decode_name(raw) == raw.decode()


def test_names_that_should_have_been_encoded_are_read_as_utf8_or_latin1() -> None:
    assert decode_name("Entwürfe".encode()) == "Entwürfe"
    assert decode_name("Entwürfe".encode("latin-1")) == "Entwürfe"
