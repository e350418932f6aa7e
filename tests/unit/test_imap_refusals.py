"""What servers answer when they refuse, as the errors that decide what becomes of a job."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from retinue.errors import CredentialError, JobError, PermissionWithdrawn, RateLimited, SettingsRefused
from servants.email.imap import commands
from servants.email.imap.faults import (
    ConnectionLost,
    Denied,
    NoSuchMailbox,
    NotUnderstood,
    Refused,
    ServerFailed,
    Trouble,
    UnexpectedReply,
)
from servants.email.imap.parser import parse
from servants.email.imap.protocol import Reply
from servants.email.imap.refusals import check, quoted, refusal
from servants.email.imap.responses import Status
from servants.email.sign_in import SignIn

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
ANN = SignIn("mail.example", "ann", password="hunter2")
LOGIN, EXAMINE = commands.login("ann", "hunter2"), commands.plain("EXAMINE", "x")


def status(line: bytes) -> Status:
    found = parse([line])
    assert isinstance(found, Status)
    return found


def fault(line: bytes, *, signing_in: bool = False, sign_in: SignIn = ANN) -> JobError:
    return refusal("X at mail.example:993", status(line), sign_in, signing_in=signing_in, now=NOW)


@pytest.mark.parametrize(
    ("line", "kind", "words"),
    [
        (b"R1 NO [AUTHENTICATIONFAILED] Invalid credentials (Failure)", CredentialError, "app password"),
        (b"R1 NO LOGIN failed.", CredentialError, "the sign-in was refused"),
        (b"R1 NO [ALERT] Application-specific password required", CredentialError, "Application-specific"),
        (b"R1 NO [WEBALERT https://x.example/] Web login required.", CredentialError, "Web login required"),
        (b"R1 NO [AUTHENTICATIONFAILED] too many failed attempts", CredentialError, "refused"),
        (b"R1 NO [EXPIRED] Password expired", CredentialError, "refused"),
        (b"R1 NO [CONTACTADMIN] Ask them", CredentialError, "Ask them"),
        (b"R1 BAD Unknown command", CredentialError, "refused"),
        (b"R1 NO [AUTHORIZATIONFAILED] Disabled", PermissionWithdrawn, "may not use IMAP"),
        (b"R1 NO [PRIVACYREQUIRED] No", SettingsRefused, "`retinue connections set ID --tls starttls`"),
        (b"R1 NO [UNAVAILABLE] Temporary authentication failure.", ServerFailed, "for the moment"),
        (b"R1 BAD User is authenticated but not connected.", ServerFailed, "for the moment"),
        (b"R1 NO [LIMIT] Rate limit hit", RateLimited, "no more until 12:05:00 UTC"),
        (b"R1 NO [ALERT] Too many simultaneous connections. (Failure)", RateLimited, "Too many"),
    ],
)
def test_refusals_of_the_sign_in(line: bytes, kind: type[JobError], words: str) -> None:
    error = fault(line, signing_in=True)
    assert type(error) is kind
    assert words in error.message
    assert error.message.startswith("X at mail.example:993 answered ")


@pytest.mark.parametrize(
    ("line", "kind", "words"),
    [
        (b"R1 NO [NONEXISTENT] Unknown Mailbox", NoSuchMailbox, "no such mailbox"),
        (b"R1 NO [NOPERM] Access denied", Denied, "the right to read"),
        (b"R1 NO [CORRUPTION] Broken index", Denied, "has to repair"),
        (b"R1 NO [SERVERBUG] Internal error", ServerFailed, "for the moment"),
        (b"R1 NO [INUSE] Locked", ServerFailed, "for the moment"),
        (b"R1 NO [AUTHENTICATIONFAILED] Session expired", CredentialError, "refused"),
        (b"R1 NO cannot", Refused, "The server says: 'cannot'"),
        (b"R1 NO", Refused, "refuses it."),
        (b"R1 BAD Syntax", NotUnderstood, "does not understand"),
        (b"* BYE Shutting down", ConnectionLost, "ended the connection"),
    ],
)
def test_refusals_of_other_commands(line: bytes, kind: type[JobError], words: str) -> None:
    error = fault(line)
    assert type(error) is kind
    assert words in error.message


@pytest.mark.parametrize(
    ("line", "wait"),
    [
        (b"R1 NO [THROTTLED] Slow down", timedelta(minutes=5)),
        (b"R1 NO [OVERQUOTA] Account exceeded command or bandwidth limits. (Failure)", timedelta(hours=1)),
        (b"R1 BAD Request is throttled. Suggested Backoff Time: 92415 milliseconds", timedelta(milliseconds=92415)),
        (b"R1 BAD Request is throttled. Suggested Backoff Time: 999999999999 milliseconds", timedelta(days=1)),
        (b"* BYE [UNAVAILABLE] Maximum number of connections from user+IP exceeded", timedelta(minutes=5)),
        (b"* BYE Too many connections", timedelta(minutes=5)),
    ],
)
def test_a_limit_says_until_when(line: bytes, wait: timedelta) -> None:
    error = fault(line)
    assert isinstance(error, RateLimited)
    assert error.reset_at == NOW + wait


def test_a_refused_token_is_told_from_a_refused_password() -> None:
    ann = SignIn("mail.example", "ann", access_token=lambda: "tok")
    assert "access token was refused" in fault(b"R1 NO no", signing_in=True, sign_in=ann).message


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("BAD LOGIN ann hunter2", "BAD LOGIN ann …"),
        ("AGFubgBodW50ZXIy is wrong", "… is wrong"),
        ("dXNlcj1hbm4BYXV0aD1CZWFyZXIgeWEyOS5hMEFmSDZTTQEB", "…"),
        ("a\x07b\u202ec", "a b c"),
        ("y" * 30 + " " + "x," * 300, "y" * 30 + " " + ("x," * 300)[:169]),
        ("Hunter2 is wrong", "… is wrong"),
        ("token ya29.a0AfB_byC-1x_Qw3rTy-uIoP_aSdFgH-jKlZxC_vBnM", "token …"),
    ],
)
def test_what_the_server_says_is_quoted_short_and_without_secrets(text: str, shown: str) -> None:
    assert quoted(text, ANN) == f" The server says: {shown!r}"


def test_a_token_is_not_told_either() -> None:
    ann = SignIn("mail.example", "ann", access_token=lambda: "ya29.short")
    assert quoted("YA29.short is too old", ann) == " The server says: '… is too old'"


def test_a_password_that_needs_quoting_is_found_in_its_quotes() -> None:
    ann = SignIn("mail.example", "ann", password='p"\\w')
    assert quoted('LOGIN "ann" "p\\"\\\\w"', ann) == ' The server says: \'LOGIN "ann" "…"\''


def reply(*lines: bytes) -> Reply:
    return Reply(ends=[status(line) for line in lines])


def test_what_concerns_one_command_alone_may_be_left_to_its_sender() -> None:
    tolerant = commands.fetch("1", "UID", may_fail=True)
    check([tolerant], reply(b"R1 NO [CANNOT] x"), ANN, now=NOW)
    check([tolerant], reply(b"R1 BAD x"), ANN, now=NOW)
    check([EXAMINE], reply(b"R1 NO [EXPUNGEISSUED] some are gone"), ANN, now=NOW)
    for line, kind in ((b"R1 NO [UNAVAILABLE] x", ServerFailed), (b"R1 NO [OVERQUOTA] x", RateLimited)):
        with pytest.raises(kind):
            check([tolerant], reply(line), ANN, now=NOW)


def test_the_first_refusal_of_several_is_raised_with_its_commands_name() -> None:
    with pytest.raises(Refused, match=r"^EXAMINE at mail\.example:993 answered NO"):
        check([LOGIN, EXAMINE], reply(b"R1 OK", b"R2 NO x"), ANN, now=NOW)


def test_trouble_is_told_in_one_sentence_once() -> None:
    trouble: Trouble = UnexpectedReply("a line that is no IMAP").at("LOGIN at mail.example:993")
    assert trouble.at("elsewhere").message == "LOGIN at mail.example:993: a line that is no IMAP."
    ended = fault(b"* BYE x")
    assert isinstance(ended, ConnectionLost)
    assert ended.at("elsewhere") is ended
