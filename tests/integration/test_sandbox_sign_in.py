"""Signing in to the sandbox org without a browser: JWT bearer, passwords, client credentials."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from infra.local.salesforce.control_client import NewApp, NewUser
from infra.local.salesforce.oauth import JWT_BEARER
from tests.support.sandbox_org import APP, USER, SandboxOrg, sandbox_org
from tests.support.sandbox_tokens import CLIENT, refresh, refusal, token_request, works

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
PUBLIC = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
JWT_APP = NewApp("3MVG9signed", "Signed", certificate=PUBLIC, preauthorized=True)


@pytest.fixture(scope="module")
def org(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxOrg]:
    with sandbox_org(tmp_path_factory.mktemp("org")) as running:
        running.control.set_app(JWT_APP)
        yield running


@pytest.fixture
def ann(org: SandboxOrg) -> NewUser:
    """A user of the test's own."""
    user = NewUser(f"ann{secrets.token_hex(4)}@example.com", "her password", "TOK", last_name="Ann")
    org.control.add_user(user)
    return user


def assertion(org: SandboxOrg, user: str, *, key: Any = PEM, **other: Any) -> str:
    claims: dict[str, Any] = {"iss": JWT_APP.client_id, "sub": user, "aud": "https://login.salesforce.com"}
    claims["exp"] = int(org.control.now().timestamp()) + 120
    return jwt.encode({**claims, **other}, key, algorithm="RS256")


def test_inactive_user_is_told_apart(org: SandboxOrg, ann: NewUser) -> None:
    tokens = org.control.authorize(APP.client_id, ann.username)
    org.control.set_active(ann.username, active=False)
    inactive = (400, "invalid_grant", "inactive user")
    assert not works(org, tokens["access_token"])
    assert refusal(refresh(org, tokens["refresh_token"])) == inactive
    assert refusal(token_request(org, grant_type=JWT_BEARER, assertion=assertion(org, ann.username))) == inactive
    org.control.set_active(ann.username, active=True)
    assert refresh(org, tokens["refresh_token"]).ok


def test_signed_assertion_gives_a_session_and_no_refresh_token(org: SandboxOrg, ann: NewUser) -> None:
    for audience in ("https://login.salesforce.com", "https://test.salesforce.com", org.url):
        answer = token_request(org, grant_type=JWT_BEARER, assertion=assertion(org, ann.username, aud=audience))
        assert "refresh_token" not in answer.json()
        assert works(org, answer.json()["access_token"])


def other_key() -> Any:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.mark.parametrize(
    ("claims", "description"),
    [
        ({"aud": "https://elsewhere.example"}, "audience is invalid"),
        ({"exp": 1_000_000_000}, "assertion is not within its validity period"),
        ({"exp": 9_000_000_000}, "assertion is not within its validity period"),
        ({"exp": "soon"}, "invalid assertion"),
        ({"sub": "nobody@example.com"}, "user hasn't approved this consumer"),
        ({"key": other_key()}, "invalid assertion"),
    ],
)
def test_wrong_assertion_is_refused(org: SandboxOrg, ann: NewUser, claims: dict[str, Any], description: str) -> None:
    made = assertion(org, ann.username, **claims)
    answer = token_request(org, grant_type=JWT_BEARER, assertion=made)
    assert refusal(answer) == (400, "invalid_grant", description)


def test_assertion_of_an_app_that_nobody_approved(org: SandboxOrg, ann: NewUser) -> None:
    app = replace(JWT_APP, client_id="3MVG9unapproved", preauthorized=False)
    org.control.set_app(app)
    made = assertion(org, ann.username, iss=app.client_id)
    refused = token_request(org, grant_type=JWT_BEARER, assertion=made)
    assert refusal(refused) == (400, "invalid_grant", "user hasn't approved this consumer")
    org.control.approve(app.client_id, ann.username)
    assert works(org, token_request(org, grant_type=JWT_BEARER, assertion=made).json()["access_token"])


def test_password_flow_takes_the_password_with_its_token(org: SandboxOrg) -> None:
    form = {"grant_type": "password", "username": USER.username, **CLIENT}
    granted = token_request(org, **form, password=USER.password + USER.security_token)
    assert works(org, granted.json()["access_token"])
    assert refusal(token_request(org, **form, password="guess")) == (400, "invalid_grant", "authentication failure")


def test_client_credentials_need_a_user_to_run_as(org: SandboxOrg) -> None:
    assert refusal(token_request(org, grant_type="client_credentials", **CLIENT)) == (
        400,
        "invalid_grant",
        "no client credentials user enabled",
    )
    org.control.set_app(replace(APP, client_id="3MVG9own", run_as=USER.username))
    granted = token_request(org, grant_type="client_credentials", client_id="3MVG9own", client_secret=APP.client_secret)
    assert works(org, granted.json()["access_token"])
