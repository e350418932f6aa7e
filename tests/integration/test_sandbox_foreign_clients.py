"""Clients that are none of ours, unmodified, take a tour of the sandbox org: simple-salesforce and jsforce."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from requests.adapters import HTTPAdapter
from simple_salesforce.api import Salesforce
from simple_salesforce.exceptions import (
    SalesforceAuthenticationFailed,
    SalesforceExpiredSession,
    SalesforceMalformedRequest,
    SalesforceResourceNotFound,
)

from infra.local.salesforce.control_client import NewApp
from tests.support.jsforce_client import INSTALL_SECONDS, RUN_SECONDS, run_tour
from tests.support.sandbox_org import APP, USER, SandboxOrg, sandbox_org

ROWS = 450


class ToSandbox(HTTPAdapter):
    """Carries what is meant for Salesforce's hosts, which the client always asks over HTTPS, to the sandbox."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._place = urlsplit(url)

    def send(self, request: requests.PreparedRequest, *arguments: Any, **options: Any) -> requests.Response:
        asked = urlsplit(request.url or "")
        request.url = urlunsplit(asked._replace(scheme="http", netloc=self._place.netloc))
        return super().send(request, *arguments, **options)


@pytest.fixture(scope="module")
def org(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxOrg]:
    with sandbox_org(tmp_path_factory.mktemp("org")) as running:
        running.control.add_field("Account", "Code__c", "string", length=20, external_id=True, unique=True)
        yield running


@pytest.fixture
def http(org: SandboxOrg) -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        session.mount("https://", ToSandbox(org.url))
        yield session


@pytest.fixture
def sf(http: requests.Session) -> Any:
    """The client; its objects are attributes that it makes as they are asked for."""
    return signed_in(http, USER.password)


def signed_in(http: requests.Session, password: str) -> Any:
    token = USER.security_token
    return Salesforce(username=USER.username, password=password, security_token=token, session=http, version="61.0")


def test_signs_in_with_password_and_security_token(http: requests.Session, sf: Any, org: SandboxOrg) -> None:
    assert sf.sf_instance == urlsplit(org.url).netloc
    with pytest.raises(SalesforceAuthenticationFailed, match="INVALID_LOGIN"):
        signed_in(http, "guess")


def test_signs_in_with_an_app(http: requests.Session, org: SandboxOrg) -> None:
    by_secret = Salesforce(
        username=USER.username,
        password=USER.password + USER.security_token,
        consumer_key=APP.client_id,
        consumer_secret=APP.client_secret,
        session=http,
        version="61.0",
    )
    assert by_secret.limits()["DailyApiRequests"]["Max"] > 0
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    org.control.set_app(NewApp("signed", "Signed", certificate=public, preauthorized=True))
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    by_key = Salesforce(username=USER.username, consumer_key="signed", privatekey=private, session=http, version="61.0")
    assert by_key.limits()["DailyApiRequests"]["Max"] > 0


def test_describes(sf: Any) -> None:
    described = sf.describe()
    assert {"Account", "Contact", "Opportunity", "User"} <= {one["name"] for one in described["sobjects"]}
    fields = {field["name"]: field for field in sf.Account.describe()["fields"]}
    assert fields["Code__c"]["externalId"] is True
    assert sf.Account.metadata()["objectDescribe"]["keyPrefix"] == "001"
    assert sf.api_usage["api-usage"].used > 0


def test_queries_page_by_page(sf: Any, org: SandboxOrg) -> None:
    org.control.insert("Account", [{"Name": f"Paged {number:04}"} for number in range(ROWS)])
    soql = "SELECT Id, Name, Owner.Name FROM Account WHERE Name LIKE 'Paged %' ORDER BY Name"
    sf.headers["Sforce-Query-Options"] = "batchSize=200"
    first = sf.query(soql)
    assert (first["totalSize"], len(first["records"]), first["done"]) == (ROWS, 200, False)
    names = [row["Name"] for row in sf.query_all_iter(soql)]
    assert names == [f"Paged {number:04}" for number in range(ROWS)]
    assert first["records"][0]["Owner"]["Name"]


def test_creates_reads_updates_upserts_and_deletes(sf: Any) -> None:
    made = sf.Account.create({"Name": "Toured"})
    assert made["success"] is True
    assert sf.Account.update(made["id"], {"Website": "https://tour.example"}) == 204
    assert sf.Account.get(made["id"])["Website"] == "https://tour.example"
    assert sf.Account.upsert("Code__c/T1", {"Name": "By code"}) == 201
    assert sf.Account.upsert("Code__c/T1", {"Name": "Renamed"}) in (200, 204)
    assert sf.Account.get_by_custom_id("Code__c", "T1")["Name"] == "Renamed"
    assert sf.Account.delete(made["id"]) == 204
    with pytest.raises(SalesforceResourceNotFound):
        sf.Account.get(made["id"])
    with pytest.raises(SalesforceMalformedRequest, match="REQUIRED_FIELD_MISSING"):
        sf.Account.create({"Website": "https://nameless.example"})
    with pytest.raises(SalesforceMalformedRequest, match="MALFORMED_QUERY"):
        sf.query("SELECT Id FRM Account")


def test_queries_and_loads_in_bulk(sf: Any) -> None:
    loaded = sf.bulk2.Account.insert(records=[{"Name": f"Bulk {number:04}"} for number in range(ROWS)], wait=0)
    assert [(one["numberRecordsProcessed"], one["numberRecordsFailed"]) for one in loaded] == [(ROWS, 0)]
    pages = list(
        sf.bulk2.Account.query("SELECT Id, Name FROM Account WHERE Name LIKE 'Bulk %'", max_records=200, wait=0)
    )
    rows = [row for page in pages for row in csv.DictReader(io.StringIO(page))]
    assert len(pages) == 3
    assert {row["Name"] for row in rows} == {f"Bulk {number:04}" for number in range(ROWS)}
    (gone,) = sf.bulk2.Account.delete(records=[{"Id": row["Id"]} for row in rows[:10]], wait=0)
    assert gone["numberRecordsFailed"] == 0
    failing = sf.bulk2.Contact.insert(records=[{"LastName": "Good"}, {"LastName": ""}], wait=0)
    assert failing[0]["numberRecordsFailed"] == 1
    failed = list(csv.DictReader(io.StringIO(sf.bulk2.Contact.get_failed_records(failing[0]["job_id"]))))
    assert [row["sf__Error"].split(":")[0] for row in failed] == ["REQUIRED_FIELD_MISSING"]


def test_session_that_is_over_is_told(sf: Any, http: requests.Session, org: SandboxOrg) -> None:
    token = org.control.sign_in(USER.username)
    direct: Any = Salesforce(session_id=token, instance_url=org.url, session=http, version="61.0")
    assert direct.Account.describe()["name"] == "Account"
    org.control.end_sessions()
    with pytest.raises(SalesforceExpiredSession, match="INVALID_SESSION_ID"):
        direct.Account.describe()
    # It has the password, and signs in again by itself.
    assert sf.Account.describe()["name"] == "Account"


@pytest.mark.timeout(INSTALL_SECONDS + RUN_SECONDS + 30)
def test_jsforce_takes_the_whole_tour(org: SandboxOrg) -> None:
    seen = run_tour(
        {
            "ORG_URL": org.url,
            "USERNAME": USER.username,
            "PASSWORD": USER.password,
            "SECURITY_TOKEN": USER.security_token,
            "CLIENT_ID": APP.client_id,
            "CLIENT_SECRET": APP.client_secret or "",
            "ROWS": str(ROWS),
        }
    )
    assert {"Account", "Contact", "Opportunity"} <= set(seen.pop("objects"))
    assert {"Id", "Name", "SystemModstamp", "Code__c"} <= set(seen.pop("accountFields"))
    assert seen.pop("ownerName")
    assert seen == {
        "signedIn": org.user_id,
        "limitInfo": True,
        "created": ROWS,
        "paged": ROWS,
        "firstPage": 200,
        "secondPage": 200,
        "total": ROWS,
        "updated": True,
        "retrieved": "https://tour.example",
        "upsertCreates": True,
        "upsertUpdates": False,
        "found": [{"attributes": seen["found"][0]["attributes"], "Name": "Renamed"}],
        "deleted": True,
        "gone": "ENTITY_IS_DELETED",
        "malformed": "MALFORMED_QUERY",
        "refused": "REQUIRED_FIELD_MISSING",
        "bulkQueried": ROWS - 1,
        "bulkLoaded": 1,
        "bulkFailed": ["REQUIRED_FIELD_MISSING"],
        "bulkUnprocessed": 0,
        "loggedOut": True,
        "identity": org.user_id,
    }
