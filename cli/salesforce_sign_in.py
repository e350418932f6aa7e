"""How Retinue is let into an org, as it is given on the command line: a key, tokens in a file, or a browser."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import click

from cli.errors import BadInput, Failure

if TYPE_CHECKING:
    from servants.salesforce.client.sign_in import SignIn

#: Where the browser comes back to; the app has to name this address, letter by letter.
CALLBACK_PORT = 8217
CALLBACK_PATH = "/callback"

#: How long a person may take to sign in.
PATIENCE_SECONDS = 600

#: What a file of tokens may hold.
NAMES = ("refresh_token", "access_token", "instance_url", "client_secret")

_LARGEST_FILE = 64 * 1024


def sign_in_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add what says how to sign in; without any of it a browser is used."""
    for option in (
        click.option(
            "--port",
            default=CALLBACK_PORT,
            show_default=True,
            type=click.IntRange(1, 65535),
            help="Where the browser comes back to: the app's callback URL is http://localhost:PORT/callback.",
        ),
        click.option("--client-secret-stdin", is_flag=True, help="Read the app's consumer secret from standard input."),
        click.option(
            "--tokens",
            metavar="FILE",
            type=click.File("r", encoding="utf-8"),
            help="A JSON file with refresh_token, instance_url and, where the app has one, client_secret; - reads "
            "standard input.",
        ),
        click.option(
            "--private-key",
            metavar="FILE",
            type=click.File("r", encoding="utf-8"),
            help="The PEM file of the key whose certificate the app holds: sign in as --username, without a browser.",
        ),
    ):
        command = option(command)
    return command


def read_sign_in(config: dict[str, Any], given: dict[str, Any]) -> dict[str, str]:
    """The credentials that were given, or that a sign-in by a browser gives.

    Raises:
        BadInput: they cannot be used; the message does not repeat them.
    """
    chosen = [name for name in ("private_key", "tokens") if given[name] is not None]
    if len(chosen) > 1:
        raise BadInput("Give --private-key or --tokens, not both.")
    secret = _read_secret() if given["client_secret_stdin"] else {}
    if given["private_key"] is not None:
        return {"private_key": _text_of(given["private_key"])}
    if given["tokens"] is not None:
        return secret | _read_tokens(given["tokens"])
    return by_browser(config, given["port"], client_secret=secret.get("client_secret", ""))


def by_browser(config: dict[str, Any], port: int, *, client_secret: str = "") -> dict[str, str]:
    """Have a person sign in, and wait for the browser to come back.

    Raises:
        Failure: nobody came, or Salesforce gave no tokens.
    """
    from retinue.errors import JobError
    from servants.salesforce.client.sign_in import LOGIN_URL
    from servants.salesforce.client.web_flow import WebFlow

    back = f"http://localhost:{port}{CALLBACK_PATH}"
    try:
        flow = WebFlow.begin(
            config.get("login_url") or LOGIN_URL, config["client_id"], back, client_secret=client_secret
        )
        with callback(port) as came_back:
            click.echo(f"Sign in to Salesforce with a browser on this machine:\n\n{flow.url}\n", err=True)
            click.launch(flow.url)
            return flow.finish(came_back())
    except JobError as error:
        raise Failure(error.message) from None


def granted_now(sign_in: SignIn, credentials: dict[str, str]) -> dict[str, str]:
    """The credentials after a first use of a key or a refresh token, which tells the org that they are for.

    Raises:
        Failure: they are not accepted, or nobody tells.
    """
    from infra.organizations import organization_of
    from retinue.clock import SystemClock
    from retinue.errors import JobError
    from servants.salesforce.client.auth import merged
    from servants.salesforce.client.token_request import ask, check_granted

    try:
        granted = ask(sign_in, clock=SystemClock())
        check_granted(granted, login_url=sign_in.login_url)
    except JobError as error:
        raise Failure(f"{error.message} Nothing was changed.") from None
    if not organization_of(granted):
        raise Failure(f"{sign_in.host} does not tell which org this sign-in is to; nothing was changed.")
    return merged(credentials, granted)


@contextmanager
def callback(port: int) -> Iterator[Callable[[], dict[str, str]]]:
    """Listen on this machine alone; what is given waits for the browser and returns the query that it brought."""
    found: list[dict[str, str]] = []
    try:
        server = HTTPServer(("127.0.0.1", port), _handler(found))
    except OSError as error:
        raise BadInput(
            f"Port {port} cannot be listened on ({error.strerror}): choose another --port, one that the app names too."
        ) from None

    def wait() -> dict[str, str]:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not found:
            server.timeout = deadline - time.monotonic()
            if server.timeout <= 0:
                raise Failure(f"Nobody has signed in within {PATIENCE_SECONDS // 60} minutes.")
            server.handle_request()
        return found[0]

    with server:
        yield wait


def _handler(found: list[dict[str, str]]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        #: A browser that opens a connection ahead of need and says nothing must not keep the real one out.
        timeout = 5

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            if parts.path == CALLBACK_PATH:
                found.append(dict(parse_qsl(parts.query)))
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "text/plain; charset=utf-8")
            self.end_headers()
            self.wfile.write(b"Retinue goes on where you began. You may close this page.\n" if found else b"")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Say nothing: the address holds a code."""

    return Handler


def _read_secret() -> dict[str, str]:
    secret = sys.stdin.readline().strip()
    if not secret:
        raise BadInput("There is no consumer secret on standard input.")
    return {"client_secret": secret}


def _text_of(file: IO[str]) -> str:
    try:
        return file.read(_LARGEST_FILE)
    except UnicodeDecodeError:
        raise BadInput("--private-key takes a PEM file; this is none.") from None


def _read_tokens(file: IO[str]) -> dict[str, str]:
    try:
        given = json.loads(_text_of(file))
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict):
        raise BadInput("--tokens takes a JSON object; this is none.")
    return {name: given[name] for name in NAMES if given.get(name)}
