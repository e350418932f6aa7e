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


@pytest.mark.parametrize(
    "instance_url",
    [
        "http://127.0.0.1:8650",
        "https://127.0.0.1",
        "https://localhost",
        "https://localhost.",
        "https://[::1]",
        "https://[::ffff:127.0.0.1]",
        "https://2130706433",
        "https://0x7f.1",
        "https://127.1",
        "https://0.0.0.0",
        "https://169.254.169.254",
        "https://org.localhost",
        "https://intranet",
    ],
)
def test_a_public_sign_in_leads_to_a_public_name(instance_url: str) -> None:
    with pytest.raises(SettingsRefused, match="instance_url"):
        SignIn.from_settings(CONFIG, TOKENS | {"instance_url": instance_url})


@pytest.mark.parametrize(
    ("login_url", "instance_url"),
    [
        (LOGIN_URL, "https://customer.my.salesforce.com"),
        ("https://test.salesforce.com", "https://customer--dev.sandbox.my.salesforce.com:443"),
        ("http://127.0.0.1:8650", "http://localhost:8650"),
        ("https://10.0.0.5", "https://10.0.0.6"),
    ],
)
def test_where_sign_ins_lead(login_url: str, instance_url: str) -> None:
    sign_in = SignIn.from_settings(CONFIG | {"login_url": login_url}, TOKENS | {"instance_url": instance_url})
    assert sign_in.instance_url == instance_url


def test_a_sign_in_elsewhere_does_not_lead_to_this_machine() -> None:
    with pytest.raises(SettingsRefused, match="is this machine"):
        SignIn.from_settings(CONFIG | {"login_url": "https://10.0.0.5"}, TOKENS | {"instance_url": "https://127.0.0.1"})


def test_rows_may_hold_anything() -> None:
    with pytest.raises(SettingsRefused, match="has no client_id"):
        SignIn.from_settings([], None)  # type: ignore[arg-type] # what a row may hold
