"""What a server's NO, BAD and BYE stand for, with a sentence that an operator understands."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Sequence
from datetime import datetime, timedelta

from retinue.errors import CredentialError, JobError, PermissionWithdrawn, RateLimited, SettingsRefused
from servants.email.imap.commands import Command
from servants.email.imap.faults import (
    REFUSALS,
    ConnectionLost,
    Denied,
    NoSuchMailbox,
    NotUnderstood,
    Refused,
    ServerFailed,
)
from servants.email.imap.protocol import Reply
from servants.email.imap.responses import Status
from servants.email.sign_in import SignIn
from servants.mending import by_setting

#: How long to stay away from a server that limits us and names no time of its own.
LIMIT_WAIT = timedelta(minutes=5)

#: As long again for limits on how much may be transferred, which are counted by the day (Gmail: OVERQUOTA).
QUOTA_WAIT = timedelta(hours=1)

#: The longest wait believed.
LONGEST_WAIT = timedelta(days=1)

_TOO_MANY = re.compile(r"too many|maximum number of|throttl|rate limit|bandwidth limit|command limit", re.IGNORECASE)
_BACKOFF = re.compile(r"Backoff Time: (\d{1,12}) milliseconds", re.IGNORECASE)
#: What looks like a token.
_ENCODED = re.compile(r"[A-Za-z0-9+/=_.~-]{40,}")
_QUOTED_CHARACTERS = 200

_FAILED = frozenset({"UNAVAILABLE", "INUSE", "SERVERBUG"})
_NOT_SIGNED_IN = frozenset({"AUTHENTICATIONFAILED", "AUTHORIZATIONFAILED", "EXPIRED"})
_LIMITS = {"LIMIT": LIMIT_WAIT, "THROTTLED": LIMIT_WAIT, "OVERQUOTA": QUOTA_WAIT}
_MAILBOX_FAULTS = {
    "NONEXISTENT": (NoSuchMailbox, "there is no such mailbox"),
    "NOPERM": (Denied, "this user may not do that; give the user the right to read this mailbox"),
    "CORRUPTION": (Denied, "the mailbox is damaged on the server; its administrator has to repair it"),
}
_ADVICE_ON_PASSWORDS = "Check the user name and password; many providers want an app password here."
_ADVICE_ON_TOKENS = "The access token was refused; connect the mailbox again."


def refusal(said: str, status: Status, sign_in: SignIn, *, signing_in: bool, now: datetime) -> JobError:
    """The error that stands for NO, BAD or BYE to a command.

    `said` names server and command, `signing_in` tells that the command was to sign in; `now` is aware.
    """
    code, words = status.code, quoted(status.text, sign_in)
    answer = f"{said} answered {status.condition}{f' [{code}]' if code else ''}"
    if limit := _limit(status, now):
        return RateLimited(f"{answer}: the server wants no more until {limit:%H:%M:%S} UTC.{words}", reset_at=limit)
    if code in _FAILED or "not connected" in status.text.lower():
        return ServerFailed(f"{answer}: the server cannot do it for the moment.{words}")
    if code == "PRIVACYREQUIRED":
        mended = f"set tls to 'tls' or 'starttls': {by_setting('--tls starttls')}"
        return SettingsRefused(f"{answer}: the server wants encryption; {mended}.{words}")
    if status.condition == "BYE":
        return ConnectionLost(f"{said}: the server ended the connection.{words}").whole()
    if signing_in or code in _NOT_SIGNED_IN:
        return _sign_in_refused(answer, status, sign_in, words)
    if code in _MAILBOX_FAULTS:
        kind, sentence = _MAILBOX_FAULTS[code]
        return kind(f"{answer}: {sentence}.{words}")
    if status.condition == "BAD":
        return NotUnderstood(f"{answer}: the server does not understand the command.{words}")
    return Refused(f"{answer}: the server refuses it.{words}")


def _sign_in_refused(answer: str, status: Status, sign_in: SignIn, words: str) -> JobError:
    if status.code == "AUTHORIZATIONFAILED":
        return PermissionWithdrawn(
            f"{answer}: the user is known but may not use IMAP; allow it at the provider.{words}"
        )
    advice = _ADVICE_ON_PASSWORDS if sign_in.access_token is None else _ADVICE_ON_TOKENS
    return CredentialError(f"{answer}: the sign-in was refused. {advice}{words}")


def _limit(status: Status, now: datetime) -> datetime | None:
    """Until when a limit keeps us away: Gmail says OVERQUOTA and THROTTLED, Exchange a time in words, others words."""
    if named := _BACKOFF.search(status.text):
        return now + min(timedelta(milliseconds=int(named[1])), LONGEST_WAIT)
    wait = _LIMITS.get(status.code or "")
    if wait is None and status.code not in _NOT_SIGNED_IN and _TOO_MANY.search(status.text):
        wait = LIMIT_WAIT
    return None if wait is None else now + wait


def quoted(text: str, sign_in: SignIn) -> str:
    """What the server said, for the end of a sentence: short, printable, without the user's secrets."""
    for secret in _secrets(sign_in):
        text = re.sub(re.escape(secret), "…", text, flags=re.IGNORECASE)
    text = _ENCODED.sub("…", text)
    text = "".join(char if char.isprintable() else " " for char in text).strip()[:_QUOTED_CHARACTERS]
    return f" The server says: {text!r}" if text else ""


def _secrets(sign_in: SignIn) -> list[str]:
    """The token, or the password as a server that repeats our command would write it."""
    if sign_in.access_token is not None:
        return [token] if (token := sign_in.access_token()) else []
    if not sign_in.password:
        return []
    plain = b64encode(f"\0{sign_in.username}\0{sign_in.password}".encode()).decode()
    return [plain, sign_in.password.replace("\\", "\\\\").replace('"', '\\"'), sign_in.password]


def said(asked: Sequence[Command], sign_in: SignIn) -> str:
    """What was asked of whom, for the beginning of a sentence."""
    return f"{asked[0].name} at {sign_in.place}" if asked else f"Connecting to {sign_in.place}"


def check(asked: Sequence[Command], reply: Reply, sign_in: SignIn, *, now: datetime) -> None:
    """Raise what the answers to these commands stand for, unless the command may fail so."""
    for command, end in zip(asked, reply.ends, strict=True):
        # RFC 5530 §3: only that some of the messages are gone.
        if end.condition == "OK" or end.code == "EXPUNGEISSUED":
            continue
        signing_in = command.name in ("LOGIN", "AUTHENTICATE")
        fault = refusal(said([command], sign_in), end, sign_in, signing_in=signing_in, now=now)
        if not (command.may_fail and isinstance(fault, REFUSALS)):
            raise fault
