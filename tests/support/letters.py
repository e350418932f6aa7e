"""Made-up letters: a seed gives always the same ones."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

PEOPLE = (
    "Ada Byron <ada@example.org>",
    "Bertrand Œuvray <bertrand@example.com>",
    '"Vane, Clara" <clara@hollisvane.example>',
    "dispatch@kestrel.example",
    "Ünal Öz <unal@example.net>",
    "王小明 <wang@example.cn>",
)

WORDS = (
    "invoice",
    "meeting",
    "tomorrow",
    "contract",
    "enclosed",
    "regards",
    "façade",
    "Grüße",
    "会议",
    "счёт",
    "crane",
)

#: How often each kind of body is drawn.
KINDS = {"plain": 60, "long": 6, "html": 12, "both": 10, "attached": 11, "large": 1}

_BEGIN = datetime(2026, 10, 1, 8, tzinfo=UTC)

_LONG_TEXT = 2_000
_LARGE_ATTACHMENT = 1_300_000


@dataclass
class Letters:
    """Draws letters; each has a Message-ID of its own, and some answer an earlier one."""

    rng: random.Random
    domain: str = "letters.example"
    _ids: list[str] = field(default_factory=list)

    def draw(self) -> bytes:
        """The next letter, with CRLF at the ends of its lines."""
        message = EmailMessage(policy=SMTP)
        number = len(self._ids)
        message["Message-ID"] = f"<{number}.{self.rng.randrange(10**9)}@{self.domain}>"
        message["Date"] = format_datetime(_BEGIN + timedelta(minutes=7 * number))
        message["From"], message["To"] = self.rng.sample(PEOPLE, 2)
        self._write_subject(message)
        self._write_body(message)
        if message.is_multipart():
            message.set_boundary(f"part-of-{number}")
        self._ids.append(message["Message-ID"])
        return bytes(message)

    def _write_subject(self, message: EmailMessage) -> None:
        message["Subject"] = self._words(self.rng.randint(1, 8)).capitalize()
        if self._ids and self.rng.random() < 0.3:
            answered = self.rng.choice(self._ids)
            message["In-Reply-To"] = message["References"] = answered
            message.replace_header("Subject", f"Re: {message['Subject']}")

    def _write_body(self, message: EmailMessage) -> None:
        kind = self.rng.choices(list(KINDS), list(KINDS.values()))[0]
        text = self._words(_LONG_TEXT if kind == "long" else self.rng.randint(1, 60))
        html = f"<html><body><p>{text}</p></body></html>"
        if kind == "html":
            message.set_content(html, subtype="html")
            return
        message.set_content(text, cte=self.rng.choice(("quoted-printable", "base64")))
        if kind == "both":
            message.add_alternative(html, subtype="html")
        elif kind in ("attached", "large"):
            size = _LARGE_ATTACHMENT if kind == "large" else self.rng.randint(1, 5_000)
            message.add_attachment(self.rng.randbytes(size), "application", "pdf", filename="plan.pdf")

    def _words(self, count: int) -> str:
        return " ".join(self.rng.choices(WORDS, k=count))
