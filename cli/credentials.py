"""What signs a connection in, as it is given on the command line: a password, or what an OAuth sign-in gave."""

from __future__ import annotations

import getpass
import json
import sys
import warnings
from collections.abc import Callable, Mapping
from typing import IO, Any, TypeVar

import click

from cli.errors import BadInput

Checked = TypeVar("Checked")
#: Without these an access token serves until it expires, and then a person has to come.
_NEEDED = ("refresh_token", "token_url", "client_id")


def password_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--password-stdin` to a command; without it the password is asked for."""
    return click.option("--password-stdin", is_flag=True, help="Read the password from standard input, one line.")(
        command
    )


def oauth_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--oauth` to a command."""
    return click.option(
        "--oauth",
        metavar="FILE",
        type=click.File("r", encoding="utf-8"),
        help="In place of a password: a JSON file with access_token, refresh_token, expires_at, token_url, client_id "
        "and, where the provider wants them, client_secret and scope; - reads standard input.",
    )(command)


def read_credentials(*, password_stdin: bool, oauth: IO[str] | None = None) -> dict[str, str]:
    """What is to be sealed.

    Raises:
        BadInput: there is none, or it cannot be used; the message does not repeat it.
    """
    if oauth is None:
        return {"password": _read_password(password_stdin)}
    if password_stdin:
        raise BadInput("Give --password-stdin or --oauth, not both.")
    return _read_grant(oauth)


def _read_password(from_stdin: bool) -> str:
    if not from_stdin:
        return _ask()
    password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        raise BadInput("There is no password on standard input.")
    return password


def _ask() -> str:
    with warnings.catch_warnings():
        # It warns before it would show what is typed, or read it from where nobody types.
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            return str(click.prompt("Password", hide_input=True))
        except getpass.GetPassWarning:
            raise BadInput("There is no terminal to ask for the password at; give it with --password-stdin.") from None


def _read_grant(file: IO[str]) -> dict[str, str]:
    from servants.email.oauth import NAMES, Grant

    try:
        given = json.load(file)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"--oauth takes a JSON object; this is none ({_place(error)}).") from None
    if not isinstance(given, dict):
        raise BadInput("--oauth takes a JSON object; this is none.")
    scope = given.get("scope")
    wanted = given | ({"scope": " ".join(map(str, scope))} if isinstance(scope, list) else {})
    credentials = {name: wanted[name] for name in NAMES if wanted.get(name)}
    check(lambda: Grant.from_credentials(credentials))
    missing = [name for name in _NEEDED if name not in credentials]
    if missing:
        raise BadInput(f"--oauth has no {' and no '.join(missing)}: the access token could not be renewed.")
    return credentials


def check(sign_in: Callable[[], Checked]) -> Checked:
    """Have settings refused here that a servant would refuse later; returns what was made of them.

    Raises:
        BadInput: they cannot be used.
    """
    from retinue.errors import CredentialError

    try:
        return sign_in()
    except CredentialError as error:
        # Without its cause: what was given may stand there.
        raise BadInput(error.message) from None


def check_mail_sign_in(config: Mapping[str, Any], credentials: Mapping[str, str]) -> None:
    """The same for a mailbox.

    Raises:
        BadInput: they cannot be used.
    """
    from servants.email.oauth import is_oauth
    from servants.email.sign_in import SignIn

    token = (lambda: "") if is_oauth(credentials) else None
    check(lambda: SignIn.from_settings(config, credentials, access_token=token))


def check_calendar_sign_in(config: Mapping[str, Any], credentials: Mapping[str, str]) -> None:
    """The same for a CalDAV server.

    Raises:
        BadInput: they cannot be used.
    """
    from servants.calendar.client import SignIn

    check(lambda: SignIn.from_settings(config, credentials))


def _place(error: Exception) -> str:
    """Where it ends to be JSON, without what stands there."""
    if isinstance(error, json.JSONDecodeError):
        return f"line {error.lineno}, column {error.colno}"
    return type(error).__name__
