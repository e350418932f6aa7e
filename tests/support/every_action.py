"""Every action of the manager: where a person finds it, what they write, and what they are told; for browser tests.

The deeds of a list are done one after another, twice: with a script and without. So each leaves the next one something
to do; what is there only once is made anew by `prepare`, whose number stands for `{new}`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from urllib.parse import urlsplit

import pytest
from _pytest.mark import ParameterSet
from flask import Flask
from playwright.sync_api import Locator, Page, expect

from infra.postgres.api_tokens import add_token
from infra.postgres.enqueue import NewJob
from infra.postgres.groups import enqueue_group
from infra.postgres.job_actions import cancel_jobs
from infra.roles import Role
from tests.support.browser import Site
from tests.support.factories import ECHO, add_jobs
from tests.support.manager_server import PASSWORD, add_person, submit
from tests.support.overview_rows import add_servant

_numbers = count(1)


@dataclass(frozen=True)
class Deed:
    """An action: on the page at `at` the form that posts to `to` is filled in with `fields` by name, and sent.

    `by` names the link that leads from that page to the one with the form. `own` needs cookies of its own.
    """

    endpoint: str
    at: str
    to: str
    says: str
    fields: Mapping[str, str] = field(default_factory=dict)
    by: str | None = None
    prepare: Callable[[Site], object] | None = None
    own: bool = False

    def perform(self, page: Page, words: Mapping[str, object]) -> None:
        """Do it as a person does. The page stands on its address already."""
        if self.by is not None:
            link = page.locator("main a", has_text=self.by).first
            _open_menus(link)
            link.click()
        action = f'[action="{self.to.format(**words)}"]' if self.to else ":not([action])"
        form = page.locator(f'form[method="post"]{action}').first
        _open_menus(form)
        for name, value in self.fields.items():
            _fill(form.locator(f'[name="{name}"]').first, value.format(**words))
        form.locator("button").last.click()


#: The actions that are performed in every run of the tests; the others are by `make proof-browser`.
ALWAYS = frozenset({"groups.cancel", "servants.drain", "lanes.change", "incidents.assign", "connections.budget"})


def attempts(deeds: Sequence[Deed]) -> list[ParameterSet]:
    """Each action with a script and without, as parameters."""
    return [
        pytest.param(
            deed,
            script,
            id=f"{deed.endpoint}-{'script' if script else 'plain'}",
            marks=[] if deed.endpoint in ALWAYS else [pytest.mark.proof],
        )
        for script in (True, False)
        for deed in deeds
    ]


def perform(deed: Deed, page: Page, site: Site, words: Mapping[str, object]) -> None:
    """Do it on this page, and see that it is what was sent, and that it was told of."""
    here = {**words, "new": deed.prepare(site) if deed.prepare else ""}
    page.goto(deed.at.format(**here))
    with page.expect_request(lambda request: request.method == "POST") as sent:
        deed.perform(page, here)
    endpoint, _ = site.app.url_map.bind("localhost").match(urlsplit(sent.value.url).path, method="POST")
    assert endpoint == deed.endpoint
    expect(page.locator("main")).to_contain_text(deed.says.format(**here))


def _open_menus(part: Locator) -> None:
    """What it is folded away in is opened first."""
    for menu in part.locator("xpath=ancestor::details[not(@open)]").all():
        menu.locator("summary").first.click()


def _fill(control: Locator, value: str) -> None:
    kind = control.evaluate("element => element.type")
    if kind in ("checkbox", "radio"):
        control.check()
    elif kind == "select-one":
        control.select_option(value)
    else:
        control.fill(value)


def _new(word: str) -> str:
    """A name that nothing has yet."""
    return f"{word} {next(_numbers)}"


def _pending_job(site: Site) -> int:
    return add_jobs(site.sql)[0]


def _later_job(site: Site) -> int:
    (job,) = add_jobs(site.sql)
    site.sql.execute("UPDATE jobs SET run_at = now() + interval '1 hour' WHERE id = %s", (job,))
    return job


def _cancelled_job(site: Site) -> int:
    job = _pending_job(site)
    with site.sql.transaction():
        cancel_jobs(site.sql, [job])
    return job


def _group(site: Site) -> int:
    with site.sql.transaction():
        return enqueue_group(site.sql, [NewJob(type=ECHO, payload={"message": "one"})], name=_new("group")).id


def _servant(site: Site) -> int:
    return add_servant(site.sql, "calendar.sync", silent_seconds=-600)


def _open_incident(site: Site) -> int:
    ((found,),) = site.sql.execute("SELECT max(id) FROM incidents WHERE resolved_at IS NULL").fetchall()
    return int(found)


def _person(site: Site) -> int:
    """Somebody who has signed in."""
    name = _new("person")
    add_person(site.database, name, Role.VIEWER)
    sign_in(site.app, name)
    ((found,),) = site.sql.execute("SELECT id FROM people WHERE name = %s", (name,)).fetchall()
    return int(found)


def _disabled_person(site: Site) -> int:
    person = _person(site)
    site.sql.execute("UPDATE people SET disabled_at = now() WHERE id = %s", (person,))
    return person


def _token(site: Site) -> int:
    with site.database.transaction() as connection:
        return add_token(connection, _new("token"), Role.VIEWER, created_by="Ada Lovelace")[0]


def _other_session(site: Site) -> int:
    """A further session of the operator whose page it is."""
    sign_in(site.app, "a operator")
    ((found,),) = site.sql.execute("SELECT max(id) FROM sessions").fetchall()
    return int(found)


def sign_in(app: Flask, name: str) -> None:
    """Open a session elsewhere."""
    assert submit(app.test_client(), "/sign-in", user=name, password=PASSWORD).status_code == 303


_JOB, _LANE, _TYPE = "/jobs/{new}", "/lanes/one?type={type}&lane={lane}", "/lanes/types/{type}"

WORK = (
    Deed("jobs.act", _JOB, f"{_JOB}/reschedule", "given another time", {"in": "2h"}, prepare=_pending_job),
    Deed("jobs.act", _JOB, f"{_JOB}/run", "due now", prepare=_later_job),
    Deed("jobs.act", _JOB, f"{_JOB}/cancel", "Job {new}: cancelled.", prepare=_pending_job),
    Deed("jobs.act", _JOB, f"{_JOB}/retry", "run again", prepare=_cancelled_job),
    Deed("jobs.start_bulk", "/jobs?q=type:{type}", "", "does it", by="Cancel all unfinished"),
    Deed("groups.cancel", "/groups/{new}", "/groups/{new}/cancel", "is being cancelled", by="Cancel", prepare=_group),
    Deed("servants.drain", "/servants/{new}", "/servants/{new}/drain", "is asked to drain", prepare=_servant),
    Deed(
        "servants.restart", "/servants/{new}", "/servants/{new}/restart", "is asked to restart", by="Restart",
        prepare=_servant,
    ),
    Deed("schedules.run", "/schedules/{schedule}", "/schedules/{schedule}/run", "Job "),
    Deed("schedules.pause", "/schedules/{schedule}", "/schedules/{schedule}/pause", "is paused"),
    Deed("schedules.resume", "/schedules/{schedule}", "/schedules/{schedule}/resume", "is active again"),
    Deed(
        "schedules.change", "/schedules/{schedule}", "/schedules/{schedule}", "is changed", {"priority": "3"}, by="Edit"
    ),
    Deed(
        "schedules.create", "/schedules", "/schedules", "The schedule is there.",
        {"type": ECHO, "name": "{new}", "every": "5"}, by="Add a schedule", prepare=lambda _site: _new("rule"),
    ),
    Deed("lanes.pause", _LANE, "/lanes/pause", "is paused: nothing more"),
    Deed("lanes.resume", _LANE, "/lanes/resume", "is resumed"),
    Deed("lanes.change", _LANE, "/lanes/set", "is set", {"weight": "4", "limit": "5"}),
    Deed("lanes.pause_all", _TYPE, f"{_TYPE}/pause", "is paused: nothing more", by="Pause"),
    Deed("lanes.resume_all", _TYPE, f"{_TYPE}/resume", "is resumed"),
    Deed("lanes.set_limits", _TYPE, f"{_TYPE}/limits", "has new limits", {"lane_limit": "4"}),
)  # fmt: skip

_MAIL, _ORG = "/connections/{mail}", "/connections/{org}"
_INCIDENT, _ALIKE, _ANOMALY = "/incidents/{incident}", "/incidents/alike/{alike}", "/anomalies/{anomaly}"
_LIST = "/incidents/all?alike={alike}"

CUSTOMERS = (
    Deed("connections.try_now", _MAIL, f"{_MAIL}/try", "tries it now"),
    Deed("connections.pause", _MAIL, f"{_MAIL}/pause", "paused. What runs goes on."),
    Deed("connections.resume", _MAIL, f"{_MAIL}/resume", "resumed."),
    Deed("connections.budget", _MAIL, f"{_MAIL}/budget", "The budget is set.", {"per_hour": "700"}),
    Deed("connections.clear", _MAIL, f"{_MAIL}/budget/clear", "is forgotten"),
    Deed("connections.resync", _ORG, f"{_ORG}/resync", "begins to read it anew", {"object": ""}, by="Read anew"),
    Deed("incidents.assign", _INCIDENT, f"{_INCIDENT}/assign", "ann sees to it.", {"to": "ann"}),
    Deed("incidents.write", _INCIDENT, f"{_INCIDENT}/note", "Noted.", {"text": "asked the customer"}),
    Deed("incidents.mute", _INCIDENT, f"{_INCIDENT}/mute", "It is muted", {"days": "7"}),
    Deed("incidents.unmute", _INCIDENT, f"{_INCIDENT}/unmute", "It is told of again."),
    Deed("incidents.probe", _INCIDENT, f"{_INCIDENT}/probe", "next job is the probe"),
    Deed("incidents.assign_alike", _LIST, f"{_ALIKE}/assign", "bob sees to", {"to": "bob"}),
    Deed("incidents.mute_alike", _LIST, f"{_ALIKE}/mute", "They are muted", {"days": "7"}),
    Deed("incidents.unmute_alike", _LIST, f"{_ALIKE}/unmute", "They are told of again."),
    Deed(
        "incidents.resolve", "/incidents/{new}", "/incidents/{new}/resolve", "It is resolved", by="Resolve",
        prepare=_open_incident,
    ),
    Deed("anomalies.assign", _ANOMALY, f"{_ANOMALY}/assign", "ann sees to it.", {"to": "ann"}),
    Deed("anomalies.write", _ANOMALY, f"{_ANOMALY}/note", "Noted.", {"text": "their mailer does that"}),
    Deed("anomalies.resolve", _ANOMALY, f"{_ANOMALY}/resolve", "It is resolved."),
    Deed("anomalies.reopen", _ANOMALY, f"{_ANOMALY}/reopen", "It is open."),
    Deed("anomalies.mute", _ANOMALY, f"{_ANOMALY}/mute", "It is muted", {"days": "7"}),
    Deed("anomalies.reopen", _ANOMALY, f"{_ANOMALY}/reopen", "It is open."),
)  # fmt: skip

_PERSON, _YOU = "/people/{new}", "/you"

PEOPLE = (
    Deed(
        "people.create", "/people", "/people", "It is shown this once", {"name": "{new}", "role": "viewer"},
        by="Add a person", prepare=lambda _site: _new("person"),
    ),
    Deed("people.change_role", _PERSON, f"{_PERSON}/role", "is an operator now", {"role": "operator"}, prepare=_person),
    Deed("people.password", _PERSON, f"{_PERSON}/password", "It is shown this once", prepare=_person),
    Deed("people.sign_out", _PERSON, f"{_PERSON}/sign-out", "is signed out everywhere", prepare=_person),
    Deed("people.disable", _PERSON, f"{_PERSON}/disable", "cannot sign in any more", by="Disable", prepare=_person),
    Deed("people.enable", _PERSON, f"{_PERSON}/enable", "can sign in again", prepare=_disabled_person),
    Deed(
        "tokens.create", "/tokens", "/tokens", "It is shown this once", {"name": "{new}"}, by="Make a token",
        prepare=lambda _site: _new("token"),
    ),
    Deed("tokens.revoke", "/tokens/{new}/revoke/confirm", "/tokens/{new}/revoke", "is revoked.", prepare=_token),
    Deed("preferences.theme", _YOU, "/preferences/theme", "Where you are signed in", own=True),
    Deed("you.end_session", _YOU, "/you/sessions/{new}/end", "session is ended.", prepare=_other_session, own=True),
    Deed("you.end_others", _YOU, "/you/sessions/end-others", "everywhere else.", prepare=_other_session, own=True),
    Deed(
        "you.password", _YOU, "/you/password", "The password is changed", {"current": PASSWORD, "password": PASSWORD},
        own=True,
    ),
)  # fmt: skip

#: Actions of which more than one form is sent together, or which need nobody signed in; the browser test of each.
ELSEWHERE = {
    "jobs.act_on_chosen": "test_jobs.test_it_all_goes_without_a_script",
    "auth.sign_in": "test_people.test_somebody_signs_in_after_a_mistake_and_out",
    "auth.sign_out": "test_people.test_somebody_signs_in_after_a_mistake_and_out",
    "account.sign_in": "test_assume.test_the_customers_own_pages_show_what_is_theirs",
    "visits.assume": "test_assume.test_support_finds_the_broken_connection_and_the_customer_sees_the_visit",
    "visits.leave": "test_assume.test_support_finds_the_broken_connection_and_the_customer_sees_the_visit",
    **dict.fromkeys(
        (
            "account.join",
            "account.connect_imap",
            "account.connect_caldav",
            "account.enter_password",
            "account.disconnect",
            "account.sign_out",
        ),
        "test_account.test_somebody_joins_connects_and_signs_out",
    ),
    **dict.fromkeys(
        (
            "account.invite",
            "account.renew_member_link",
            "account.change_role",
            "account.disable_member",
            "account.enable_member",
        ),
        "test_account.test_an_admin_invites_and_says_who_may_do_what",
    ),
    "account.forgotten": "test_account_letters.test_somebody_who_forgot_the_password_comes_in_again",
    **dict.fromkeys(
        ("account.policy", "account.decide", "visits.begin", "visits.unmask_one"),
        "test_account.test_an_admin_decides_about_a_visit_in_which_one_value_is_unmasked",
    ),
    **dict.fromkeys(
        ("account_members.invite", "erasure.erase"),
        "test_account.test_an_admin_of_the_installation_invites_the_first_and_erases",
    ),
}
