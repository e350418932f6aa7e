"""Keeps delivering mail to the demo mailboxes, and now and then reads, files or deletes some of it.

    python -m infra.local.demo_postman --port 8640 --data .retinue/imap --interval 5

Its own messages are told by their Message-ID, and a mailbox holds a bounded number of them: the demo's others stay as
they are, and nothing has to be remembered across restarts of this program or of the server.
"""

from __future__ import annotations

import argparse
import email
import email.policy
import imaplib
import random
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path

from infra.local.demo_accounts import DEMO_ACCOUNTS
from infra.local.demo_loop import run_until_stopped
from infra.local.demo_mail import DemoMessage, accepted, append, signed_in
from infra.local.sign_ins import read_passwords
from infra.logs import configure_logs, get_logger
from infra.loop import PassResult
from retinue.clock import Clock, SystemClock

log = get_logger(__name__)

#: The end of the Message-IDs of this program.
DOMAIN = "postman.example"

#: How many of its messages a mailbox holds at most.
MOST = 25

#: What is done to a mailbox that has messages of this program, and how often.
ACTIONS = {"delivered": 70, "read": 12, "filed": 8, "deleted": 10}
ANSWER_SHARE = 0.4

INBOX = "INBOX"
FILED = "Projects"

SENDERS = (
    "Marta Quist <marta@riverside-school.example>",
    "Lotte Brandt <lotte@kestrel.example>",
    "Olive Tan <olive@southern-cold.example>",
    "Jörg Öhler <joerg@oehler.example>",
    '"O\'Neil, Shauna" <shauna@mail.example>',
    "facturación@proveedor.example",
)
SUBJECTS = ("Your question", "Delivery on Thursday", "Zwei Termine", "Offer", "Minutes of the meeting", "Running late")
LINES = (
    "Thank you for the quick answer.",
    "Could you look at the second page again?",
    "Das passt gut, bis Donnerstag.",
    "I will call you in the afternoon.",
    "The numbers are in; they look better than we thought.",
    "Please send the address of the site once more.",
)


@dataclass(frozen=True, slots=True)
class Errand:
    """What was done for one user: `delivered`, `read`, `filed` or `deleted`."""

    action: str
    user: str


class DemoPostman:
    """One errand at a time, drawn from `rng`."""

    def __init__(self, port: int, passwords: Mapping[str, str], *, rng: random.Random, clock: Clock) -> None:
        self._port = port
        self._passwords = passwords
        self._rng = rng
        self._clock = clock

    def run_once(self) -> PassResult:
        """Do one errand and log it."""
        errand = self.errand()
        log.info("demo_mail_changed", action=errand.action, user=errand.user)
        return PassResult(done=1)

    def errand(self) -> Errand:
        """Draw a user, and deliver a message or do something with an earlier one.

        Raises:
            OSError, imaplib.IMAP4.error, MailServerRefused: the server cannot be reached or refused a request.
        """
        user = self._rng.choice(DEMO_ACCOUNTS).user
        with signed_in(self._port, user, self._passwords[user]) as client:
            own = _own(client, INBOX)
            action = self._rng.choices(list(ACTIONS), list(ACTIONS.values()))[0] if own else "delivered"
            if action == "delivered":
                _make_room(client, INBOX)
                self._deliver(client, user, list(own.values()))
            elif action == "filed":
                _make_room(client, FILED)
                accepted(client.select(INBOX))
                accepted(client.uid("MOVE", self._rng.choice(list(own)), FILED))
            else:
                flag = "\\Seen" if action == "read" else "\\Deleted"
                _mark(client, self._rng.choice(list(own)), flag)
        return Errand(action, user)

    def _deliver(self, client: imaplib.IMAP4, user: str, earlier: list[EmailMessage]) -> None:
        answered = self._rng.choice(earlier) if earlier and self._rng.random() < ANSWER_SHARE else None
        now = self._clock.now()
        append(client, INBOX, DemoMessage(draw_message(user, self._rng, now, answered=answered), now))


def draw_message(user: str, rng: random.Random, now: datetime, *, answered: EmailMessage | None = None) -> bytes:
    """A message to this user that arrives now; its subject and references are those of the one that it answers."""
    message = EmailMessage(policy=email.policy.SMTP)
    message["Message-ID"] = f"<{now.timestamp():.6f}.{rng.randrange(10**9)}@{DOMAIN}>"
    message["Date"] = format_datetime(now)
    message["From"] = rng.choice(SENDERS)
    message["To"] = f"{user}@demo.example"
    if answered is None:
        message["Subject"] = rng.choice(SUBJECTS)
    else:
        message["Subject"] = f"Re: {str(answered['Subject']).removeprefix('Re: ')}"
        message["In-Reply-To"] = message["References"] = str(answered["Message-ID"])
    text = "\n\n".join(rng.sample(LINES, rng.randint(1, 3)))
    message.set_content(text)
    if rng.random() < 0.2:
        message.add_alternative(f"<p>{text}</p>", subtype="html")
    return bytes(message)


def _own(client: imaplib.IMAP4, folder: str) -> dict[str, EmailMessage]:
    """The header fields of this program's messages in a mailbox, which is then open, by their UIDs, oldest first."""
    if int(accepted(client.select(folder))[0]) == 0:
        return {}
    lines = accepted(client.uid("FETCH", "1:*", "(UID BODY.PEEK[HEADER.FIELDS (MESSAGE-ID SUBJECT)])"))
    found = {_uid(line[0]): _header(line[1]) for line in lines if isinstance(line, tuple)}
    own = {uid: header for uid, header in found.items() if str(header["Message-ID"]).endswith(f"@{DOMAIN}>")}
    return dict(sorted(own.items(), key=lambda item: int(item[0])))


def _uid(words: bytes) -> str:
    """The UID in what stands before a literal."""
    return words.decode("ascii").partition("UID ")[2].split()[0]


def _header(text: bytes) -> EmailMessage:
    parsed = email.message_from_bytes(text, policy=email.policy.default)
    if not isinstance(parsed, EmailMessage):
        raise TypeError("the policy makes EmailMessages")
    return parsed


def _make_room(client: imaplib.IMAP4, folder: str) -> None:
    """Delete the oldest message of this program where a mailbox has as many as it may."""
    own = list(_own(client, folder))
    if len(own) >= MOST:
        _mark(client, own[0], "\\Deleted")


def _mark(client: imaplib.IMAP4, uid: str, flag: str) -> None:
    """Set a flag in the open mailbox; what is to be deleted goes at once."""
    accepted(client.uid("STORE", uid, "+FLAGS.SILENT", f"({flag})"))
    if flag == "\\Deleted":
        accepted(client.expunge())


def main(arguments: list[str] | None = None) -> int:
    """Run the program; the exit status."""
    parser = argparse.ArgumentParser(prog="infra.local.demo_postman", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--port", type=int, required=True, help="port of the IMAP server on 127.0.0.1")
    parser.add_argument("--data", type=Path, required=True, help="the server's directory, which holds the sign-ins")
    parser.add_argument("--interval", type=float, default=5, metavar="SECONDS")
    parser.add_argument("--seed", type=int, default=1, help="the same number gives the same errands")
    options = parser.parse_args(arguments)
    configure_logs("console", "info")
    passwords = read_passwords(options.data)
    if not passwords:
        sys.stderr.write(f"There are no sign-ins in {options.data}: start the IMAP server with this --data first.\n")
        return 1
    rng = random.Random(options.seed)  # noqa: S311 - a demo, not cryptography
    postman = DemoPostman(options.port, passwords, rng=rng, clock=SystemClock())
    run_until_stopped("demo_postman", postman.run_once, interval_seconds=options.interval)
    return 0


if __name__ == "__main__":
    sys.exit(main())
