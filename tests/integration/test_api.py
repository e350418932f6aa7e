"""The JSON API: lists in pages, single things, actions that are written down, and what is refused, and how."""

from __future__ import annotations

from typing import Any

import pytest
from psycopg.errors import QueryCanceled

from infra.postgres.audit import Act, Actor, ActorKind, note
from infra.postgres.connect import DatabaseUnreachable
from infra.roles import Role
from manager.api.problems import MEDIA_TYPE, PREFIX
from tests.support.api_site import ApiSite, api_site
from tests.support.factories import ECHO, add_jobs
from tests.support.manager_server import AwayDatabase, manager_app, signed_in, submit

__all__ = ["api_site"]

#: Every list that goes on, with what makes it hold more than one row.
LISTS = (
    "/jobs",
    "/groups",
    "/schedules",
    "/lanes",
    "/accounts",
    "/connections",
    "/incidents",
    "/audit",
)


def noted(site: ApiSite) -> tuple[Any, ...]:
    """The newest action of an operator: who, what, and to what."""
    row = site.sql.execute(
        "SELECT actor_kind, actor_name, action, target_kind, target_id FROM operator_actions ORDER BY id DESC LIMIT 1"
    ).fetchone()
    assert row is not None
    return tuple(row)


@pytest.mark.parametrize("path", LISTS)
def test_a_list_comes_in_pages_that_together_are_all_of_it(api_site: ApiSite, path: str) -> None:
    api_site.done("POST", f"/types/{ECHO}/pause")
    api_site.done("POST", f"/types/{ECHO}/resume")
    everything = api_site.get(path, limit=500)
    assert everything["next"] is None
    found, page = [], api_site.get(path, limit=1)
    while page["items"]:
        found += page["items"]
        if page["next"] is None:
            break
        page = api_site.get(path, limit=1, after=page["next"])
    assert len(found) > 1
    assert [_identity(item) for item in found] == [_identity(item) for item in everything["items"]]


def _identity(item: dict[str, Any]) -> Any:
    return item["id"] if "id" in item else (item["type"], item["lane"])


def test_jobs_are_asked_for_in_their_own_language(api_site: ApiSite) -> None:
    failed = api_site.known["failed_id"]
    assert [job["id"] for job in api_site.get("/jobs", q="state:failed account:acme error:~server")["items"]] == [
        failed
    ]
    status, told = api_site.refused("GET", "/jobs", query_string={"q": "stat:failed"})
    assert (status, told) == (422, "There is no field 'stat'. Did you mean state? A text stands in quotes.")


def test_a_job_is_shown_and_says_why_it_waits(api_site: ApiSite) -> None:
    job = api_site.get(f"/jobs/{api_site.known['job_id']}")
    assert (job["state"], job["account_name"], job["type"]) == ("pending", "acme", ECHO)
    assert api_site.get(f"/jobs/{api_site.known['job_id']}/why")["reasons"][0]["sentence"]


def test_a_failed_job_is_retried_once(api_site: ApiSite) -> None:
    failed = api_site.known["failed_id"]
    told = api_site.done("POST", f"/jobs/{failed}/retry")
    assert told["deed"] == "retried"
    assert noted(api_site) == ("token", "a operator", "job.retry", "job", str(failed))
    assert api_site.get(f"/jobs/{told['new_job_id']}")["retry_of"] == failed
    status, why = api_site.refused("POST", f"/jobs/{failed}/retry")
    assert (status, f"Job {told['new_job_id']}," in why) == (409, True)
    api_site.done("POST", f"/jobs/{told['new_job_id']}/cancel")


def test_many_jobs_are_cancelled_and_each_is_answered_for(api_site: ApiSite) -> None:
    ids = add_jobs(api_site.sql, 3, lane="account:9")
    results = api_site.done("POST", "/jobs/cancel", {"ids": [*ids, 999_999]})["results"]
    assert [result["deed"] for result in results] == ["cancelled"] * 3 + ["nothing"]
    assert results[3]["problem"] == "There is no job 999999."


def test_a_bulk_operation_is_previewed_and_then_a_job(api_site: ApiSite) -> None:
    add_jobs(api_site.sql, 2, lane="account:10")
    order = {"operation": "cancel", "filter": {"lane": "account:10"}}
    assert api_site.done("POST", "/jobs/bulk/preview", order)["jobs"] == 2
    started = api_site.done("POST", "/jobs/bulk", order)
    assert (started["jobs"], started["is_counted"]) == (2, True)
    assert api_site.get(f"/jobs/{started['job_id']}")["type"] == "system.bulk"
    assert api_site.refused("POST", "/jobs/bulk", json={"operation": "cancel", "filter": {"lane": "none"}})[0] == 409


def test_a_servant_is_asked_to_drain_once(api_site: ApiSite) -> None:
    path = f"/servants/{api_site.known['servant_id']}"
    assert api_site.done("POST", f"{path}/drain")["request"] == "drain"
    assert noted(api_site)[2:] == ("servant.drain", "servant", str(api_site.known["servant_id"]))
    assert api_site.refused("POST", f"{path}/drain")[0] == 409


def test_a_schedule_is_changed_paused_and_run(api_site: ApiSite) -> None:
    path = f"/schedules/{api_site.known['schedule_id']}"
    changed = api_site.done("PATCH", path, {"every_seconds": 300, "priority": 2})
    assert (changed["rule"], changed["schedule"]["priority"]) == ("Every 5 minutes", 2)
    assert api_site.done("POST", f"{path}/run")["created"] is True
    assert api_site.done("POST", f"{path}/pause")["schedule"]["state"] == "paused"
    assert api_site.done("POST", f"{path}/resume")["schedule"]["state"] == "active"
    assert api_site.refused("PATCH", path, json={"cron": "never"})[0] == 422
    assert api_site.refused("PATCH", path, json={"cron": "* * * * *", "every_seconds": 5})[0] == 422


def test_a_lane_is_paused_resumed_and_set(api_site: ApiSite) -> None:
    lane = {"type": ECHO, "lane": f"account:{api_site.known['account_id']}"}
    paused = api_site.done("POST", "/lanes/pause", {**lane, "reason": "moving house"})
    assert [hold["reason"] for hold in paused["holds"]] == ["moving house"]
    assert api_site.done("POST", "/lanes/resume", lane)["holds"] == []
    assert api_site.done("PATCH", "/lanes", {**lane, "weight": 2, "limit": 3})["own_limit"] == 3
    assert api_site.done("PATCH", "/lanes", {**lane, "weight": 1})["own_limit"] == 3
    assert api_site.done("PATCH", "/lanes", {**lane, "limit": None})["own_limit"] is None


def test_a_type_is_paused_and_limited(api_site: ApiSite) -> None:
    assert api_site.done("POST", f"/types/{ECHO}/pause")["paused_at"] is not None
    assert api_site.done("POST", f"/types/{ECHO}/resume")["paused_at"] is None
    limits = {"lane_limit": 2, "type_limit": None}
    assert api_site.done("PUT", f"/types/{ECHO}/limits", limits)["limits_by_hand"] is True
    assert api_site.done("DELETE", f"/types/{ECHO}/limits")["limits_by_hand"] is False


def test_a_connection_is_paused_tried_and_given_a_budget(api_site: ApiSite) -> None:
    path = f"/connections/{api_site.known['connection_id']}"
    assert api_site.done("POST", f"{path}/pause", {})["types"] == [ECHO]
    assert api_site.done("POST", f"{path}/resume")["types"] == [ECHO]
    told = api_site.done("PUT", f"{path}/budget", {"per_day": 500})
    assert [(line["window_seconds"], line["call_limit"]) for line in told["budgets"]] == [(86_400, 500)]
    assert api_site.done("DELETE", f"{path}/budget")["budgets"] == []
    assert api_site.refused("PUT", f"{path}/budget", json={})[0] == 422


def test_incidents_and_anomalies_are_marked(api_site: ApiSite) -> None:
    for kind, identity in (("incident", api_site.known["incident_id"]), ("anomaly", api_site.known["anomaly_id"])):
        path = f"/{kind}s/{identity}" if kind == "incident" else f"/anomalies/{identity}"
        assert api_site.done("POST", f"{path}/assign", {"to": "ann"})[kind]["assigned_to"] == "ann"
        assert api_site.done("POST", f"{path}/notes", {"text": "asked them"})["notes"][0]["text"] == "asked them"
        until = "2030-01-01T00:00:00Z"
        assert api_site.done("POST", f"{path}/mute", {"until": until})[kind]["muted_until"] == until
        assert noted(api_site)[2:] == (f"{kind}.mute", kind, str(identity))
    alike = api_site.known["fingerprint"]
    concerned = api_site.done("POST", f"/incidents/alike/{alike}/assign", {"to": None})["items"]
    assert [line["assigned_to"] for line in concerned] == [None, None]


def test_a_token_of_one_account_ends_no_mute_of_others(api_site: ApiSite) -> None:
    alike, incident = api_site.known["fingerprint"], api_site.known["incident_id"]
    mutes = "SELECT count(*) FROM incident_mutes WHERE fingerprint = %s"
    api_site.done("POST", f"/incidents/alike/{alike}/mute", {})
    own = api_site.ask("POST", f"/incidents/{incident}/unmute", token=api_site.own_token)
    assert (own.status_code, api_site.sql.execute(mutes, (alike,)).fetchone()) == (200, (1,))
    api_site.done("POST", f"/incidents/{incident}/unmute")
    assert api_site.sql.execute(mutes, (alike,)).fetchone() == (0,)


@pytest.mark.parametrize("path", ["/figures", "/figures?span=week", "/costs", "/costs/accounts?period=hour", "/audit"])
def test_what_was_is_read(api_site: ApiSite, path: str) -> None:
    assert "items" in api_site.get(path)


def test_a_token_of_one_account_sees_that_one(api_site: ApiSite) -> None:
    account = api_site.known["account_id"]
    other = api_site.sql.execute("SELECT id FROM accounts WHERE name = 'globex'").fetchone()
    assert other is not None
    (job,) = add_jobs(api_site.sql, lane=f"account:{other[0]}", account_id=other[0])

    def ask(method: str, path: str) -> int:
        return api_site.ask(method, path, token=api_site.own_token).status_code

    assert [ask("GET", path) for path in (f"/accounts/{account}", "/jobs", "/connections", "/incidents")] == [200] * 4
    hidden = [("GET", f"/accounts/{other[0]}"), ("GET", f"/jobs/{job}"), ("POST", f"/jobs/{job}/cancel")]
    assert [ask(*request) for request in hidden] == [404] * 3
    assert [ask("GET", path) for path in ("/accounts", "/servants", "/audit")] == [403] * 3
    listed = api_site.ask("GET", "/jobs", token=api_site.own_token).get_json()
    assert {line["account_id"] for line in listed["items"]} == {account}
    assert ask("GET", f"/connections?account_id={other[0]}") == 404


@pytest.mark.parametrize("query", ["account:{}", "-account:{}"])
def test_and_does_not_learn_which_others_there_are(api_site: ApiSite, query: str) -> None:
    other = api_site.sql.execute("SELECT id FROM accounts WHERE name = 'globex'").fetchone()
    assert other is not None

    def told(name: object) -> str:
        path = f"/jobs?q={query.format(name)}"
        status, sentence = api_site.refused("GET", path, token=api_site.own_token)
        assert status == 422
        return sentence.replace(str(name), "NAME")

    assert {told(name) for name in ("globex", other[0], "nobody", 987654, "acm")} == {"There is no account 'NAME'."}
    for own in ("acme", api_site.known["account_id"]):
        assert api_site.ask("GET", f"/jobs?q={query.format(own)}", token=api_site.own_token).status_code == 200


def test_nor_what_types_their_jobs_have(api_site: ApiSite) -> None:
    (other,) = api_site.sql.execute("SELECT id FROM accounts WHERE name = 'globex'").fetchall()
    add_jobs(api_site.sql, job_type="globex.only", account_id=other[0])

    def told(query: str) -> tuple[int, Any]:
        answer = api_site.ask("GET", f"/jobs?q={query}", token=api_site.own_token)
        return answer.status_code, answer.json

    assert told("type:globex.only") == told("type:nobodys.only") == told("type:nobodys.*")
    assert told("type:globex.only")[1]["items"] == []
    assert told("-type:globex.only") == told("-type:nobodys.only") == told("")
    assert told(f"type:{ECHO}")[1]["items"] != []


def test_where_somebody_acted_from_is_for_admins(api_site: ApiSite) -> None:
    note(api_site.sql, Actor(ActorKind.PERSON, 1, "Ada", address="192.0.2.7"), Act("job.retry", "job", 7))

    def told(role: Role) -> set[str | None]:
        items = api_site.ask("GET", "/audit?actor=Ada", token=api_site.tokens[role]).get_json()["items"]
        return {item["address"] for item in items}

    assert [told(role) for role in Role] == [{None}, {None}, {"192.0.2.7"}]


@pytest.mark.parametrize(
    ("method", "path", "given", "status"),
    [
        ("GET", "/jobs", {"token": ""}, 401),
        ("GET", "/jobs", {"token": "retinue_nonsense"}, 401),
        ("GET", "/nowhere", {}, 404),
        ("GET", "/jobs/999999", {}, 404),
        ("GET", "/types/no.such", {}, 404),
        ("DELETE", "/jobs", {}, 405),
        ("GET", "/jobs", {"query_string": {"limit": "0"}}, 422),
        ("GET", "/jobs", {"query_string": {"limti": "5"}}, 422),
        ("GET", "/incidents", {"query_string": {"after": "what"}}, 422),
        ("GET", "/lanes", {"query_string": {"type": "a\0b"}}, 400),
        ("POST", "/jobs/cancel", {"data": "no json"}, 422),
        ("POST", "/jobs/cancel", {"json": {"ids": []}}, 422),
        ("POST", "/jobs/cancel", {"data": b"x" * 20_000, "content_type": "application/json"}, 413),
    ],
)
def test_what_is_wrong_is_a_problem(
    api_site: ApiSite, method: str, path: str, given: dict[str, Any], status: int
) -> None:
    assert api_site.refused(method, path, **given)[0] == status


@pytest.mark.parametrize("depth", [70, 900, 5000])
def test_what_is_nested_without_end_is_refused(api_site: ApiSite, depth: int) -> None:
    account = api_site.known["account_id"]
    deep = "[" * depth + "]" * depth
    payload = f'{{"message": {deep}}}'
    body = f'{{"name": "deep", "type": "{ECHO}", "every_seconds": 60, "account_id": {account}, "payload": {payload}}}'

    status, _ = api_site.refused("POST", "/schedules", data=body, content_type="application/json")

    assert status == 422


def test_a_viewer_acts_on_nothing(api_site: ApiSite) -> None:
    path = f"/jobs/{api_site.known['job_id']}/cancel"
    status, told = api_site.refused("POST", path, token=api_site.tokens[Role.VIEWER])
    assert (status, told) == (403, "This needs the role operator; yours is viewer.")


def test_a_misspelt_field_is_named(api_site: ApiSite) -> None:
    answer = api_site.ask("POST", "/jobs/bulk", json={"operation": "cancel", "filter": {"lain": "account:1"}})
    assert (answer.status_code, answer.json["errors"][0]["at"]) == (422, "filter.lain")  # type: ignore[index] # it is a problem


def test_a_person_s_session_reads_and_acts_only_with_its_form_token(api_site: ApiSite) -> None:
    client = signed_in(api_site.app)
    assert client.get(f"{PREFIX}/jobs").status_code == 200
    cancel = f"{PREFIX}/jobs/{add_jobs(api_site.sql, lane='account:11')[0]}/cancel"
    refused = client.post(cancel)
    assert (refused.status_code, refused.mimetype) == (400, MEDIA_TYPE)
    assert submit(client, cancel).status_code == 200


@pytest.mark.parametrize(
    ("error", "status"),
    [(DatabaseUnreachable("gone"), 503), (QueryCanceled("late"), 503), (RuntimeError("a mistake of ours"), 500)],
)
def test_trouble_of_ours_is_a_problem_too(api_site: ApiSite, error: Exception, status: int) -> None:
    away = AwayDatabase(None, api_site.database)
    app = manager_app(away)
    client = app.test_client()
    headers = {"Authorization": f"Bearer {api_site.tokens[Role.VIEWER]}"}
    assert client.get(f"{PREFIX}/types", headers=headers).status_code == 200
    away.error = error
    answer = client.get(f"{PREFIX}/types", headers=headers)
    assert (answer.status_code, answer.mimetype) == (status, MEDIA_TYPE)
    assert "a mistake of ours" not in answer.text


def test_a_strange_host_is_told_in_the_same_way(api_site: ApiSite) -> None:
    app = manager_app(api_site.database, manager_password="retinue")
    answer = app.test_client().get(f"{PREFIX}/jobs", headers={"Host": "evil.example"})
    assert (answer.status_code, answer.mimetype) == (400, MEDIA_TYPE)


def test_the_page_names_every_request(api_site: ApiSite) -> None:
    page = signed_in(api_site.app).get("/api")
    assert page.status_code == 200
    assert api_site.app.test_client().get("/api").location == "/sign-in?next=/api"
    described = api_site.get("/openapi.json")
    assert all(path in page.text for path in described["paths"])
    assert len(described["paths"]) > 50


def test_an_action_that_fails_is_not_written_down(api_site: ApiSite) -> None:
    before = noted(api_site)
    assert api_site.refused("POST", "/jobs/999999/cancel")[0] == 404
    assert noted(api_site) == before
