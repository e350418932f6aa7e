"""Requests to the token endpoint of the sandbox org, and whether a token is good."""

from __future__ import annotations

from typing import Any

import requests

from tests.support.sandbox_org import APP, SandboxOrg

CLIENT = {"client_id": APP.client_id, "client_secret": APP.client_secret or ""}


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
