"""A mail connection's settings: what is missing or wrong is said in one sentence, and no secret shows."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest

from retinue.errors import SettingsRefused
from servants.email.sign_in import SignIn, Tls

CONFIG = {"host": "mail.example", "username": "ann"}
CREDENTIALS = {"password": "hunter2"}


def test_a_host_a_user_and_a_password_are_enough() -> None:
    sign_in = SignIn.from_settings(CONFIG, CREDENTIALS)
    assert (sign_in.host, sign_in.port, sign_in.tls, sign_in.username) == ("mail.example", 993, Tls.TLS, "ann")
    assert sign_in.password == "hunter2"
    assert sign_in.place == "mail.example:993"


@pytest.mark.parametrize(
    ("config", "port", "tls"),
    [
        ({"tls": "starttls"}, 143, Tls.STARTTLS),
        ({"tls": "starttls", "port": 1143}, 1143, Tls.STARTTLS),
        ({"port": "1993"}, 1993, Tls.TLS),
        ({"tls": "none", "host": "127.0.0.1"}, 143, Tls.NONE),
        ({"tls": "none", "host": "localhost"}, 143, Tls.NONE),
        ({"tls": "none", "host": "::1", "port": 4000}, 4000, Tls.NONE),
    ],
)
def test_other_ports_and_kinds_of_encryption(config: dict[str, Any], port: int, tls: Tls) -> None:
    sign_in = SignIn.from_settings({**CONFIG, **config}, CREDENTIALS)
    assert (sign_in.port, sign_in.tls) == (port, tls)


def test_addresses_are_hosts() -> None:
    for host in ("2001:db8::1", "fe80::1%eth0", "192.0.2.1"):
        assert SignIn(host, "ann", password="x").host == host


def test_an_address_with_colons_is_shown_in_brackets() -> None:
    assert SignIn("::1", "ann", password="x").place == "[::1]:993"


def test_no_secret_shows() -> None:
    assert "hunter2" not in repr(SignIn.from_settings(CONFIG, CREDENTIALS))
    with_token = SignIn.from_settings(CONFIG, {}, access_token=lambda: "hunter2")
    assert with_token.access_token is not None
    assert with_token.access_token() == "hunter2"
    assert with_token.password is None
    assert "access_token" not in repr(with_token)


@pytest.mark.parametrize(
    ("config", "credentials", "sentence"),
    [
        ({}, {}, "has no host and no username and no password; add"),
        (None, None, "has no host and no username and no password"),
        ([], 7, "has no host"),
        ({"host": 5, "username": ""}, CREDENTIALS, "has no host and no username; add"),
        ({**CONFIG, "host": "imap://mail.example"}, CREDENTIALS, "is no host name; give the server's name alone"),
        ({**CONFIG, "host": "a b"}, CREDENTIALS, "is no host name"),
        ({**CONFIG, "host": "a\r\nb"}, CREDENTIALS, "is no host name"),
        ({**CONFIG, "host": "ann@mail.example"}, CREDENTIALS, "is no host name"),
        ({**CONFIG, "host": "[::1]"}, CREDENTIALS, "is no host name"),
        ({**CONFIG, "host": "mail.example:993"}, CREDENTIALS, "name alone, give the port with --port"),
        ({**CONFIG, "host": "[::1]:993"}, CREDENTIALS, "name alone, give the port with --port"),
        ({**CONFIG, "host": "mail.example:imaps"}, CREDENTIALS, "name alone, as in mail.example"),
        ({**CONFIG, "port": 0}, CREDENTIALS, "has port '0'; expected a number from 1 to 65535"),
        ({**CONFIG, "port": 65536}, CREDENTIALS, "has port '65536'"),
        ({**CONFIG, "port": "imaps"}, CREDENTIALS, "has port 'imaps'"),
        ({**CONFIG, "port": "9930000000993"}, CREDENTIALS, "has port '9930000000993'"),
        ({**CONFIG, "port": True}, CREDENTIALS, "has port 'True'"),
        ({**CONFIG, "port": 99.3}, CREDENTIALS, "has port '99.3'"),
        ({**CONFIG, "tls": "ssl"}, CREDENTIALS, "has tls 'ssl'; expected one of 'tls', 'starttls', 'none'"),
        ({**CONFIG, "tls": "none"}, CREDENTIALS, "has tls 'none', which is allowed on this machine alone"),
        ({**CONFIG, "username": "a\0b"}, CREDENTIALS, "cannot hold a NUL"),
        (CONFIG, {"password": "a\0b"}, "cannot hold a NUL"),
        ({**CONFIG, "ca_file": "/nowhere/ca.pem"}, CREDENTIALS, "has ca_file '/nowhere/ca.pem', which cannot be used"),
    ],
)
def test_what_is_wrong_is_said_with_how_to_mend_it(config: Any, credentials: Any, sentence: str) -> None:
    with pytest.raises(SettingsRefused, match=sentence) as caught:
        SignIn.from_settings(config, credentials)
    assert "hunter2" not in caught.value.message


def test_a_file_without_certificates_is_no_authority(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    with pytest.raises(SettingsRefused, match=r"ca_file .* cannot be used"):
        SignIn.from_settings({**CONFIG, "ca_file": str(tmp_path / "ca.pem")}, CREDENTIALS)


def test_either_a_password_or_a_token() -> None:
    with pytest.raises(SettingsRefused, match="either a password or an access token"):
        SignIn("mail.example", "ann")
    with pytest.raises(SettingsRefused, match="either a password or an access token"):
        SignIn("mail.example", "ann", password="x", access_token=lambda: "y")


def test_certificates_are_checked_unless_a_test_says_otherwise() -> None:
    assert SignIn("mail.example", "ann", password="x").trust is None
    own = ssl.create_default_context()
    assert SignIn("mail.example", "ann", password="x", trust=own).trust is own
