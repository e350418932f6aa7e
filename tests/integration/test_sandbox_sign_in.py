"""Signing in to the sandbox org: the web flow, rotation, JWT bearer, passwords, sessions and what is refused."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from infra.local.salesforce.control_client import NewApp, NewUser
from infra.local.salesforce.grants import LIVE_GRANTS, challenge_of
from infra.local.salesforce.oauth import JWT_BEARER
from tests.support.sandbox_org import APP, CALLBACK, USER, SandboxOrg, sandbox_org

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
PUBLIC = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
JWT_APP = NewApp("3MVG9signed", "Signed", certificate=PUBLIC, preauthorized=True)

CLIENT = {"client_id": APP.client_id, "client_secret": APP.client_secret or ""}


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


def token_request(org: SandboxOrg, **form: Any) -> requests.Response:
    return requests.post(f"{org.url}/services/oauth2/token", data=form, timeout=30)


def refusal(answer: requests.Response) -> tuple[int, str, str]:
    return answer.status_code, answer.json()["error"], answer.json()["error_description"]


def refresh(org: SandboxOrg, token: str) -> requests.Response:
    return token_request(org, grant_type="refresh_token", refresh_token=token, **CLIENT)


def works(org: SandboxOrg, token: str) -> bool:
    answer = requests.get(f"{org.data_url}/limits", headers={"Authorization": f"Bearer {token}"}, timeout=30)
    if answer.status_code == 401:
        assert answer.json() == [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}]
        return False
    answer.raise_for_status()
    return True


def consent(org: SandboxOrg, user: NewUser, query: dict[str, str], **form: str) -> requests.Response:
    """Answer the page of the web flow as the user."""
    answer = {"username": user.username, "password": user.password, "allow": "yes", **form}
    url = f"{org.url}/services/oauth2/authorize"
    return requests.post(url, params=query, data=answer, timeout=30, allow_redirects=False)


def asked(**other: str) -> dict[str, str]:
    return {"response_type": "code", "client_id": APP.client_id, "redirect_uri": CALLBACK, "state": "s 1", **other}


def returned(answer: requests.Response) -> dict[str, str]:
    """What the browser brings back to the app."""
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith(CALLBACK)
    return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["Location"]).query).items()}


def assertion(org: SandboxOrg, user: str, *, key: Any = PEM, **other: Any) -> str:
    claims: dict[str, Any] = {"iss": JWT_APP.client_id, "sub": user, "aud": "https://login.salesforce.com"}
    claims["exp"] = int(org.control.now().timestamp()) + 120
    return jwt.encode({**claims, **other}, key, algorithm="RS256")


def test_web_flow_with_pkce_ends_with_tokens_that_work(org: SandboxOrg, ann: NewUser) -> None:
    verifier = secrets.token_urlsafe(60)
    query = asked(code_challenge=challenge_of(verifier), scope="api refresh_token")
    page = requests.get(f"{org.url}/services/oauth2/authorize", params=query, timeout=30)
    assert page.status_code == 200
    assert "<strong>Retinue</strong> asks for access: api refresh_token" in page.text

    back = returned(consent(org, ann, query))
    assert back["state"] == "s 1"
    form = {"grant_type": "authorization_code", "code": back["code"], "redirect_uri": CALLBACK, **CLIENT}
    assert refusal(token_request(org, **form, code_verifier="another")) == (
        400,
        "invalid_grant",
        "invalid code verifier",
    )
    granted = token_request(org, **form, code_verifier=verifier).json()
    assert granted["instance_url"] == org.url
    assert granted["token_type"] == "Bearer"
    assert works(org, granted["access_token"])

    who = requests.get(granted["id"], headers={"Authorization": f"Bearer {granted['access_token']}"}, timeout=30)
    assert who.json()["preferred_username"] == ann.username


def test_code_used_twice_ends_what_it_gave(org: SandboxOrg, ann: NewUser) -> None:
    code = returned(consent(org, ann, asked()))["code"]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, **CLIENT}
    granted = token_request(org, **form).json()
    assert works(org, granted["access_token"])
    assert refusal(token_request(org, **form)) == (400, "invalid_grant", "expired authorization code")
    assert not works(org, granted["access_token"])
    assert refusal(refresh(org, granted["refresh_token"]))[1] == "invalid_grant"


def test_code_is_over_after_a_quarter_of_an_hour(org: SandboxOrg, ann: NewUser) -> None:
    code = returned(consent(org, ann, asked()))["code"]
    org.control.clock_forward(minutes=15)
    answer = token_request(org, grant_type="authorization_code", code=code, redirect_uri=CALLBACK, **CLIENT)
    assert refusal(answer) == (400, "invalid_grant", "expired authorization code")


@pytest.mark.parametrize(
    ("query", "error"),
    [
        (asked(response_type="token"), "unsupported_response_type"),
        (asked(scope="everything"), "invalid_scope"),
        (asked(code_challenge="x", code_challenge_method="plain"), "invalid_request"),
    ],
)
def test_wrong_request_of_the_web_flow_goes_back_to_the_app(org: SandboxOrg, query: dict[str, str], error: str) -> None:
    url = f"{org.url}/services/oauth2/authorize"
    back = returned(requests.get(url, params=query, timeout=30, allow_redirects=False))
    assert (back["error"], back["state"]) == (error, "s 1")


@pytest.mark.parametrize(
    ("query", "text"),
    [
        (asked(client_id="nobody"), "error=invalid_client_id&error_description=client identifier invalid"),
        (asked(redirect_uri="http://evil.example"), "error=redirect_uri_mismatch"),
    ],
)
def test_browser_is_sent_to_no_stranger(org: SandboxOrg, query: dict[str, str], text: str) -> None:
    url = f"{org.url}/services/oauth2/authorize"
    answer = requests.get(url, params=query, timeout=30, allow_redirects=False)
    assert answer.status_code == 400
    assert text in answer.text


def test_denial_and_wrong_password(org: SandboxOrg, ann: NewUser) -> None:
    assert returned(consent(org, ann, asked(), allow="no"))["error"] == "access_denied"
    wrong = consent(org, ann, asked(), password="guess")
    assert wrong.status_code == 200
    assert "Please check your username and password." in wrong.text


def test_each_refresh_rotates_the_token_and_reuse_ends_the_family(org: SandboxOrg, ann: NewUser) -> None:
    first = org.control.authorize(APP.client_id, ann.username)
    second = refresh(org, first["refresh_token"]).json()
    third = refresh(org, second["refresh_token"]).json()
    assert len({first["refresh_token"], second["refresh_token"], third["refresh_token"]}) == 3
    assert all(works(org, token["access_token"]) for token in (first, second, third))

    families = org.control.revoked_families()
    reused = refresh(org, first["refresh_token"])
    assert refusal(reused) == (400, "invalid_grant", "expired access/refresh token")
    assert org.control.revoked_families() == families + 1
    assert not any(works(org, token["access_token"]) for token in (first, second, third))
    assert refusal(refresh(org, third["refresh_token"])) == (400, "invalid_grant", "expired access/refresh token")


def test_two_refreshes_at_once_with_one_token_end_the_family(org: SandboxOrg, ann: NewUser) -> None:
    first = org.control.authorize(APP.client_id, ann.username)
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: refresh(org, first["refresh_token"]), range(2)))
    assert sorted(answer.status_code for answer in answers) == [200, 400]
    granted = next(answer.json() for answer in answers if answer.ok)
    assert not works(org, granted["access_token"])
    assert refusal(refresh(org, granted["refresh_token"]))[1] == "invalid_grant"


def test_app_without_rotation_keeps_its_token(org: SandboxOrg, ann: NewUser) -> None:
    app = replace(APP, client_id="3MVG9steady", rotates=False)
    org.control.set_app(app)
    first = org.control.authorize(app.client_id, ann.username)
    form = {"grant_type": "refresh_token", "client_id": app.client_id, "client_secret": app.client_secret}
    for _ in range(2):
        answer = token_request(org, **form, refresh_token=first["refresh_token"]).json()
        assert "refresh_token" not in answer
        assert works(org, answer["access_token"])


def test_sixth_grant_ends_the_first(org: SandboxOrg, ann: NewUser) -> None:
    grants = [org.control.authorize(APP.client_id, ann.username) for _ in range(LIVE_GRANTS + 1)]
    assert [works(org, grant["access_token"]) for grant in grants] == [False] + [True] * LIVE_GRANTS


def test_session_is_over_after_two_hours(org: SandboxOrg, ann: NewUser) -> None:
    tokens = org.control.authorize(APP.client_id, ann.username)
    org.control.clock_forward(hours=1, minutes=59)
    assert works(org, tokens["access_token"])
    org.control.clock_forward(minutes=1)
    assert not works(org, tokens["access_token"])
    assert works(org, refresh(org, tokens["refresh_token"]).json()["access_token"])


def test_revoking_an_access_token_leaves_the_refresh_token(org: SandboxOrg, ann: NewUser) -> None:
    tokens = org.control.authorize(APP.client_id, ann.username)
    revoke = f"{org.url}/services/oauth2/revoke"
    assert requests.post(revoke, data={"token": tokens["access_token"]}, timeout=30).status_code == 200
    assert not works(org, tokens["access_token"])
    again = refresh(org, tokens["refresh_token"]).json()
    assert requests.post(revoke, data={"token": again["refresh_token"]}, timeout=30).status_code == 200
    assert not works(org, again["access_token"])
    assert refusal(requests.post(revoke, data={"token": "nonsense"}, timeout=30))[1] == "invalid_token"


def test_introspection_tells_of_an_apps_own_tokens_only(org: SandboxOrg, ann: NewUser) -> None:
    tokens = org.control.authorize(APP.client_id, ann.username)
    url = f"{org.url}/services/oauth2/introspect"
    told = requests.post(url, data={"token": tokens["access_token"], **CLIENT}, timeout=30).json()
    assert (told["active"], told["username"], told["exp"] - told["iat"]) == (True, ann.username, 7200)
    told = requests.post(url, data={"token": tokens["refresh_token"], **CLIENT}, timeout=30).json()
    assert (told["active"], told["token_type"]) == (True, "refresh_token")
    stranger = {"client_id": JWT_APP.client_id}
    assert requests.post(url, data={"token": tokens["access_token"], **stranger}, timeout=30).json() == {
        "active": False
    }


@pytest.mark.parametrize(("state", "error"), [("uninstalled", "app_not_found"), ("blocked", "OAUTH_APP_BLOCKED")])
def test_app_that_the_admin_removes_loses_everything(org: SandboxOrg, ann: NewUser, state: Any, error: str) -> None:
    app = replace(APP, client_id=f"3MVG9{state}")
    org.control.set_app(app)
    tokens = org.control.authorize(app.client_id, ann.username)
    org.control.set_app_state(app.client_id, state)
    assert not works(org, tokens["access_token"])
    form = {"grant_type": "refresh_token", "client_id": app.client_id, "client_secret": app.client_secret}
    assert refusal(token_request(org, **form, refresh_token=tokens["refresh_token"]))[:2] == (400, error)
    org.control.set_app_state(app.client_id, "installed")
    assert refusal(token_request(org, **form, refresh_token=tokens["refresh_token"]))[1] == "invalid_grant"


def test_inactive_user_is_told_apart(org: SandboxOrg, ann: NewUser) -> None:
    tokens = org.control.authorize(APP.client_id, ann.username)
    org.control.set_active(ann.username, active=False)
    inactive = (400, "invalid_grant", "inactive user")
    assert not works(org, tokens["access_token"])
    assert refusal(refresh(org, tokens["refresh_token"])) == inactive
    assert refusal(token_request(org, grant_type=JWT_BEARER, assertion=assertion(org, ann.username))) == inactive
    org.control.set_active(ann.username, active=True)
    assert refresh(org, tokens["refresh_token"]).ok


def test_wrong_secret_and_unknown_client(org: SandboxOrg) -> None:
    form = {"grant_type": "refresh_token", "refresh_token": "x"}
    wrong = token_request(org, **form, client_id=APP.client_id, client_secret="guess")
    assert refusal(wrong) == (400, "invalid_client", "invalid client credentials")
    unknown = token_request(org, **form, client_id="nobody")
    assert refusal(unknown) == (400, "invalid_client_id", "client identifier invalid")
    assert refusal(token_request(org, grant_type="magic"))[1] == "unsupported_grant_type"


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


def test_tokens_survive_a_restart(tmp_path: Path) -> None:
    with sandbox_org(tmp_path / "org") as org:
        tokens = org.control.authorize(APP.client_id, USER.username)
        org.restart(kill=True)
        assert works(org, tokens["access_token"])
        assert works(org, refresh(org, tokens["refresh_token"]).json()["access_token"])
        assert not refresh(org, tokens["refresh_token"]).ok
