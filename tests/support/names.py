"""Names that stand for what a test says, and listeners that say whether anybody came."""

from __future__ import annotations

import socket
from typing import Any, Self

import pytest


class Listener:
    """Takes connections, and says whether any came."""

    def __init__(self, host: str, port: int = 0) -> None:
        self._socket = socket.create_server((host, port))
        self._socket.setblocking(False)
        self.port = int(self._socket.getsockname()[1])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._socket.close()

    @property
    def visited(self) -> bool:
        """Whether somebody has connected since the last look. The system takes them before any program does."""
        try:
            self._socket.accept()[0].close()
        except BlockingIOError:
            return False
        return True


class Names:
    """What names stand for, each time they are looked up: the next answer, then the last one again and again."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._answers: dict[str, list[list[str]]] = {}
        self.asked: list[str] = []
        monkeypatch.setattr(socket, "getaddrinfo", self._look_up)

    def set(self, name: str, *answers: list[str]) -> None:
        self._answers[name] = list(answers)

    def _look_up(self, host: Any, port: Any, *_arguments: Any, **_options: Any) -> list[Any]:
        name = str(host)
        self.asked.append(name)
        answers = self._answers.get(name, [[name]])
        addresses = answers.pop(0) if len(answers) > 1 else answers[0]
        return [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (address, port, 0, 0))
            if ":" in address
            else (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in addresses
        ]
