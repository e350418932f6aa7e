"""Tokens of the sandbox org: rotation, families, sessions, and apps and users that lose them."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests

from infra.local.salesforce.control_client import NewApp, NewUser
from infra.local.salesforce.grants import LIVE_GRANTS
from tests.support.sandbox_org import APP, USER, SandboxOrg, sandbox_org
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
    org.control.set_app(NewApp("3MVG9stranger", "Stranger"))
    stranger = {"client_id": "3MVG9stranger"}
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


def test_wrong_secret_and_unknown_client(org: SandboxOrg) -> None:
    form = {"grant_type": "refresh_token", "refresh_token": "x"}
    wrong = token_request(org, **form, client_id=APP.client_id, client_secret="guess")
    assert refusal(wrong) == (400, "invalid_client", "invalid client credentials")
    unknown = token_request(org, **form, client_id="nobody")
    assert refusal(unknown) == (400, "invalid_client_id", "client identifier invalid")
    assert refusal(token_request(org, grant_type="magic"))[1] == "unsupported_grant_type"


def test_tokens_survive_a_restart(tmp_path: Path) -> None:
    with sandbox_org(tmp_path / "org") as org:
        tokens = org.control.authorize(APP.client_id, USER.username)
        org.restart(kill=True)
        assert works(org, tokens["access_token"])
        assert works(org, refresh(org, tokens["refresh_token"]).json()["access_token"])
        assert not refresh(org, tokens["refresh_token"]).ok
