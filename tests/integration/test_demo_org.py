"""The demo company's org: its records, how Retinue signs in to it, and the salesperson who keeps working in it."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator

import jwt
import pytest
import requests

from infra.local.demo_org import CLIENT_ID
from infra.local.salesforce.demo import RECORDS, USERNAME, seed, signing_key
from infra.local.salesforce.demo_salesperson import ACTIONS, MARK, MOST, DemoSalesperson
from infra.local.salesforce.oauth import JWT_BEARER
from tests.support.sandbox_org import SandboxOrg, sandbox_org

PATIENCE = 30


@pytest.fixture(scope="module")
def org(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxOrg]:
    with sandbox_org(tmp_path_factory.mktemp("org")) as running:
        assert seed(running.url, running.directory, callback_url="") == sum(RECORDS.values())
        yield running


def total(org: SandboxOrg, soql: str) -> int:
    with org.session() as http:
        return int(http.get(f"{org.data_url}/query", params={"q": soql}, timeout=30).json()["totalSize"])


def test_org_is_filled_once(org: SandboxOrg) -> None:
    assert total(org, "SELECT COUNT() FROM Opportunity") == RECORDS["Opportunity"]
    assert total(org, "SELECT COUNT() FROM Contact WHERE AccountId != null") == RECORDS["Contact"]
    assert seed(org.url, org.directory, callback_url="") == 0
    assert total(org, "SELECT COUNT() FROM Opportunity") == RECORDS["Opportunity"]


def test_key_is_kept_for_its_owner_and_signs_in(org: SandboxOrg) -> None:
    key = signing_key(org.directory)
    assert signing_key(org.directory) == key
    assert (org.directory / "signing-key.pem").stat().st_mode & 0o077 == 0
    claims = {"iss": CLIENT_ID, "sub": USERNAME, "aud": org.url, "exp": int(time.time()) + 120}
    form = {"grant_type": JWT_BEARER, "assertion": jwt.encode(claims, key, algorithm="RS256")}
    granted = requests.post(f"{org.url}/services/oauth2/token", data=form, timeout=30)
    assert granted.status_code == 200, granted.text


def test_salesperson_does_all_of_it_and_leaves_a_bounded_number_of_records(org: SandboxOrg) -> None:
    salesperson = DemoSalesperson(org.control, rng=random.Random(7))  # noqa: S311 - a demo
    calls = org.control.usage().calls
    done = Counter(salesperson.deed().action for _ in range(400))
    assert set(done) == set(ACTIONS)
    for sobject, name in (("Task", "Subject"), ("Lead", "LastName")):
        own = [row for row in org.control.rows(sobject) if str(row[name]).startswith(MARK)]
        assert 0 < len(own) <= MOST
    assert org.control.usage().calls == calls


def test_program_works_until_it_is_ended(org: SandboxOrg) -> None:
    before = {row["Id"]: row["SystemModstamp"] for row in org.control.rows("Opportunity")}
    command = [sys.executable, "-m", "infra.local.salesforce.demo_salesperson", "--url", org.url, "--interval", "0.05"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603 - our own program
    try:
        deadline = time.monotonic() + PATIENCE
        while {row["Id"]: row["SystemModstamp"] for row in org.control.rows("Opportunity")} == before:
            assert time.monotonic() < deadline
            time.sleep(0.05)  # another process's work gives no signal
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
