"""Carries out IMAP dialogues against a script, without a socket."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from servants.email.imap import dialogues
from servants.email.imap.dialogues import Dialogue, Secure
from servants.email.imap.faults import REFUSALS
from servants.email.imap.protocol import Protocol, Reply
from servants.email.imap.refusals import check
from servants.email.sign_in import SignIn

T = TypeVar("T")

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
ANN = SignIn("mail.example", "ann", password="hunter2")


class Play:
    """A server that answers by a script, and the client's side of its one connection.

    The script gives for each line sent what comes back; `<tag>` in it stands for the command's own, and `OK` alone for
    a plain success.
    """

    def __init__(self, answer: Callable[[bytes], bytes], *, greeting: bytes = b"* OK ready\r\n") -> None:
        self.protocol = Protocol()
        #: What was sent, line by line and without tags.
        self.sent: list[bytes] = []
        self.secured = 0
        self._answer = answer
        self._greeting = greeting
        self._tag = b""

    def carry_out(self, dialogue: Dialogue[T]) -> T:
        """What the dialogue comes to."""
        try:
            step = next(dialogue)
            while True:
                try:
                    reply = self._reply(step)
                except REFUSALS as refusal:
                    step = dialogue.throw(refusal)
                else:
                    step = dialogue.send(reply)
        except StopIteration as end:
            result: T = end.value
            return result

    def _reply(self, step: Secure | Sequence[object]) -> Reply:
        if step is Secure.NOW:
            self.secured += 1
            self.protocol.secured()
            return Reply()
        if not step:
            self.protocol.receive(self._greeting)
            return self.protocol.take_reply()
        self.protocol.begin(step)  # type: ignore[arg-type]  # what is no Secure is commands
        while not self.protocol.done:
            sent = self.protocol.take_outgoing()
            assert sent, "the script leaves the client waiting"
            for line in sent.splitlines(keepends=True):
                self.protocol.receive(self._respond(line))
        reply = self.protocol.take_reply()
        check(step, reply, ANN, now=NOW)  # type: ignore[arg-type]  # as above
        return reply

    def _respond(self, line: bytes) -> bytes:
        words = line.rstrip(b"\r\n")
        if words.startswith(b"R") and b" " in words:
            self._tag, _, words = words.partition(b" ")
        self.sent.append(words)
        answered = self._answer(words)
        return self._tag + b" OK\r\n" if answered == b"OK" else answered.replace(b"<tag>", self._tag)


def script(answers: Mapping[str, str]) -> Callable[[bytes], bytes]:
    """Answers by the beginning of the line; the longest that fits; else a plain OK."""

    def answer(line: bytes) -> bytes:
        fitting = [begin for begin in answers if line.startswith(begin.encode())]
        return answers[max(fitting, key=len)].encode() if fitting else b"OK"

    return answer


def capability(words: str) -> str:
    """An answer to CAPABILITY."""
    return f"* CAPABILITY IMAP4rev1 {words}\r\n<tag> OK\r\n"


def signed_in(answers: Mapping[str, str], sign_in: SignIn = ANN, greeting: str = "* OK ready\r\n") -> Play:
    """After signing in to a server that answers so."""
    play = Play(script(answers), greeting=greeting.encode())
    play.carry_out(dialogues.sign_in_to(play.protocol, sign_in))
    return play


def able(words: str, answers: Mapping[str, str] | None = None) -> Play:
    """Signed in to a server that can do these."""
    return signed_in({"CAPABILITY": capability(words), **(answers or {})})
