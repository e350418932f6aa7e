"""The web flow of the sandbox org: the page, the code, and whom a browser is sent back to."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from infra.local.salesforce.control_client import NewUser
from infra.local.salesforce.grants import challenge_of
from tests.support.sandbox_org import APP, CALLBACK, SandboxOrg, sandbox_org
from tests.support.sandbox_tokens import CLIENT, refresh, refusal, token_request, works


@pytest.fixture(scope="module")
def org(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxOrg]:
    with sandbox_org(tmp_path_factory.mktemp("org")) as running:
        yield running


@pytest.fixture
def ann(org: SandboxOrg) -> NewUser:
    """A user of the test's own."""
    user = NewUser(f"ann{secrets.token_hex(4)}@example.com", "her password", "TOK", last_name="Ann")
    org.control.add_user(user)
    return user


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
