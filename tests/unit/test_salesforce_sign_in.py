"""What a connection to Salesforce has to say of itself, and what is refused before anything is sent."""

from __future__ import annotations

from typing import Any

import pytest

from retinue.errors import SettingsRefused
from servants.salesforce.client.sign_in import LOGIN_URL, SignIn

CONFIG = {"client_id": "app", "username": "ada@customer.example"}
TOKENS = {"refresh_token": "the-refresh-token"}


def test_little_has_to_be_said() -> None:
    sign_in = SignIn.from_settings(CONFIG, TOKENS)
    assert (sign_in.login_url, sign_in.audience, sign_in.flow, sign_in.port) == (LOGIN_URL, LOGIN_URL, "refresh", 443)
    assert sign_in.host == "login.salesforce.com"


def test_a_key_wins_over_a_refresh_token() -> None:
    assert SignIn.from_settings(CONFIG, TOKENS | {"private_key": "-----BEGIN\nx\n"}).flow == "jwt"


def test_secrets_do_not_show() -> None:
    secret = {"private_key": "PEM", "refresh_token": "RT", "access_token": "AT", "client_secret": "CS"}
    shown = repr(SignIn.from_settings(CONFIG, secret))
    assert not [value for value in secret.values() if value in shown]


@pytest.mark.parametrize(
    ("config", "credentials", "words"),
    [
        ({"client_id": ""}, {}, "has no client_id"),
        ({}, {"refresh_token": ""}, "no private_key and no refresh_token"),
        ({"username": ""}, {"private_key": "PEM"}, "give the username"),
        ({"login_url": "http://login.salesforce.com"}, {}, "begins with https://"),
        ({"login_url": "https://user@host.example"}, {}, "begins with https://"),
        ({"login_url": "https://host.example/path"}, {}, "names a host alone"),
        ({"login_url": "https://[::1"}, {}, "cannot be read"),
        ({"login_url": 7}, {}, "no plain text"),
        ({}, {"instance_url": "http://elsewhere.example"}, "begins with https://"),
        ({"api_version": "62"}, {}, "write it as 62.0"),
        ({}, {"refresh_token": "a\nb"}, "no plain text"),
    ],
)
def test_what_cannot_be_used(config: dict[str, Any], credentials: dict[str, str], words: str) -> None:
    with pytest.raises(SettingsRefused, match=words):
        SignIn.from_settings(CONFIG | config, TOKENS | credentials)


def test_rows_may_hold_anything() -> None:
    with pytest.raises(SettingsRefused, match="has no client_id"):
        SignIn.from_settings([], None)  # type: ignore[arg-type] # what a row may hold
