"""A headless Chromium, driven over its DevTools protocol (https://chromedevtools.github.io/devtools-protocol/).

The protocol runs over two pipes, so nothing listens anywhere and no driver is needed. Where Chromium is missing, root
installs Debian's package; `python -m tests.support.chromium` does that alone.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

#: Any single answer of the browser is waited for no longer, in seconds.
PATIENCE_SECONDS = 20

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_PACKAGES = ("chromium", "fonts-liberation")
_FLAGS = (
    "--headless=new",
    "--remote-debugging-pipe",
    "--no-sandbox",  # root has no sandbox; it only ever opens our own pages
    "--no-first-run",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-lcd-text",
    "--hide-scrollbars",
)


def chromium() -> str:
    """The browser's path, installed first where that is possible. Skips the test where it is not, except in CI."""
    path = find_chromium() or (install_chromium() if os.getuid() == 0 else None)
    if path is not None:
        return path
    reason = "Chromium is not installed, and only root can install it: apt-get install chromium"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def find_chromium() -> str | None:
    """The path of an installed Chromium."""
    return next((path for name in _NAMES if (path := shutil.which(name))), None)


def install_chromium() -> str | None:
    """Install Debian's package; None where this is no Debian.

    Raises:
        subprocess.CalledProcessError: apt could not install it; its output says why.
    """
    apt = shutil.which("apt-get")
    if apt is None:
        return None
    with Path(tempfile.gettempdir(), "retinue-tests-chromium.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another worker may be installing it
        if find_chromium() is None:
            environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
            install = [apt, "install", "-y", "-q", "--no-install-recommends", *_PACKAGES]
            for command in ([apt, "update", "-q"], install):
                subprocess.run(command, check=True, env=environment)  # noqa: S603 - Debian's own program
    return find_chromium()


class Page:
    """One tab."""

    def __init__(self, browser: _Connection, session: str) -> None:
        self._browser = browser
        self._session = session
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.command(f"{domain}.enable")

    def command(self, method: str, **params: Any) -> dict[str, Any]:
        """Send one command of the protocol and return its result."""
        return self._browser.command(method, params, self._session)

    def open(self, url: str) -> None:
        """Go there and wait until it is loaded."""
        with self.loading():
            self.command("Page.navigate", url=url)

    @contextmanager
    def loading(self) -> Iterator[None]:
        """Wait, after what is done inside, until a page has been loaded."""
        self._browser.forget("Page.loadEventFired")
        yield
        self._browser.wait_for("Page.loadEventFired")

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression; a promise is awaited."""
        answer = self.command("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise AssertionError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def wait_until(self, condition: str, *, seconds: float = 10) -> None:
        """Wait in the page until the JavaScript `condition` holds; fails with it otherwise."""
        held = self.evaluate(
            f"""new Promise((done) => {{
                const end = Date.now() + {seconds * 1000};
                const look = () => {{
                    if ({condition}) done(true);
                    else if (Date.now() > end) done(false);
                    else setTimeout(look, 20);
                }};
                look();
            }})"""
        )
        assert held, f"not within {seconds:g} s: {condition}"

    def emulate(self, *, width: int, height: int = 800, scheme: str = "light", scale: float = 1) -> None:
        """Look at the page as on such a screen."""
        self.command(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=False
        )
        self.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def press(self, key: str, *, code: int) -> None:
        """Press and release a key, such as `Tab` (code 9) or `Enter` (code 13)."""
        text = "\r" if key == "Enter" else ""
        for kind in ("keyDown", "keyUp"):
            self.command("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, text=text)

    def screenshot(self, path: Path, *, height: float | None = None) -> None:
        """Save the page as PNG: all of it, or its upper part of that height."""
        size = self.command("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": height or size["height"], "scale": 1}
        picture = self.command("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        path.write_bytes(base64.b64decode(picture["data"]))

    def complaints(self) -> list[str]:
        """What the browser has logged as an error so far, such as a breach of the page's security policy."""
        entries = [event["params"]["entry"] for event in self._browser.events if event["method"] == "Log.entryAdded"]
        return [f"{entry['text']} {entry.get('url', '')}" for entry in entries if entry["level"] == "error"]

    def forget_complaints(self, expected: str) -> None:
        """Drop the complaints that hold these words."""
        self._browser.events = [event for event in self._browser.events if expected not in json.dumps(event)]

    def text(self) -> str:
        """The words of the page, read without its scripts."""
        strings = self.command("DOMSnapshot.captureSnapshot", computedStyles=[])
        names = strings["strings"]
        return "\n".join(names[index] for index in strings["documents"][0]["layout"]["text"] if index >= 0)


class _Connection:
    """Commands out, answers and events in, each ended by a zero byte."""

    def __init__(self, commands: int, answers: int) -> None:
        self._commands = commands
        self._answers = answers
        self._unread = b""
        self._last_id = 0
        self.events: list[dict[str, Any]] = []

    def command(self, method: str, params: dict[str, Any], session: str | None = None) -> dict[str, Any]:
        self._last_id += 1
        message = {"id": self._last_id, "method": method, "params": params}
        if session is not None:
            message["sessionId"] = session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        answer = self._read_until(lambda read: read.get("id") == self._last_id, method)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        result: dict[str, Any] = answer["result"]
        return result

    def forget(self, event: str) -> None:
        self.events = [known for known in self.events if known["method"] != event]

    def wait_for(self, event: str) -> None:
        if not any(known["method"] == event for known in self.events):
            self._read_until(lambda read: read.get("method") == event, event)

    def _read_until(self, wanted: Callable[[dict[str, Any]], bool], what: str) -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            message = self._read(deadline, what)
            if "method" in message:
                self.events.append(message)
            if wanted(message):
                return message

    def _read(self, deadline: float, what: str) -> dict[str, Any]:
        while b"\0" not in self._unread:
            ready, _, _ = select.select([self._answers], [], [], max(0, deadline - time.monotonic()))
            if not ready:
                raise TimeoutError(f"the browser gave no answer to {what}")
            part = os.read(self._answers, 1 << 20)
            if not part:
                raise ConnectionError(f"the browser ended while it was asked for {what}")
            self._unread += part
        text, _, self._unread = self._unread.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        return message


@contextmanager
def open_page(path: str) -> Iterator[Page]:
    """A fresh browser with one empty tab; `path` is the browser's."""
    with tempfile.TemporaryDirectory(prefix="retinue-chromium-", ignore_cleanup_errors=True) as profile:
        pid, connection = _start(path, profile)
        try:
            target = connection.command("Target.createTarget", {"url": "about:blank"})["targetId"]
            attached = connection.command("Target.attachToTarget", {"targetId": target, "flatten": True})
            yield Page(connection, attached["sessionId"])
        finally:
            os.killpg(pid, signal.SIGKILL)  # it keeps nothing that matters
            os.waitpid(pid, 0)


def _start(path: str, profile: str) -> tuple[int, _Connection]:
    """The browser in a process group of its own; it reads commands from descriptor 3 and answers on 4."""
    its_commands, commands = _pipe()
    answers, its_answers = _pipe()
    pid = os.posix_spawn(
        path,
        [path, *_FLAGS, f"--user-data-dir={profile}", "about:blank"],
        os.environ,
        file_actions=[
            (os.POSIX_SPAWN_DUP2, its_commands, 3),
            (os.POSIX_SPAWN_DUP2, its_answers, 4),
            (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
        ],
        setpgroup=0,
    )
    os.close(its_commands)
    os.close(its_answers)
    return pid, _Connection(commands, answers)


def _pipe() -> tuple[int, int]:
    """A pipe whose ends lie above the descriptors that the browser expects."""
    ends = os.pipe()
    read, write = (fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends)
    for end in ends:
        os.close(end)
    return read, write


if __name__ == "__main__":
    install_chromium()
