"""An installation with something of everything, as rows: for tests that open each page, and for looking at them."""

from __future__ import annotations

import psycopg

from infra.postgres.api_tokens import add_token
from infra.postgres.audit import Act, Actor, ActorKind, note
from infra.postgres.connect import Database
from infra.postgres.incident_marks import list_incident_groups
from infra.roles import Role
from tests.support.account_rows import add_customers
from tests.support.job_rows import add_worked_jobs
from tests.support.lane_rows import TYPE, add_lanes
from tests.support.lanes import fold
from tests.support.manager_server import add_person
from tests.support.overview_rows import add_fleet, add_past
from tests.support.rule_rows import add_rules
from tests.support.servant_rows import add_crew


def add_demo(sql: psycopg.Connection, database: Database) -> dict[str, object]:
    """Make it; what stands for each word in the addresses of pages, such as `{account}` in `/accounts/{account}`."""
    add_fleet(sql)
    add_past(sql, days=1)
    words, crew, rules = add_demo_customers(sql, database), add_crew(sql), add_rules(sql)
    jobs, lanes = add_worked_jobs(sql), add_lanes(sql)
    fold(sql)
    return words | {
        "servant": crew.working,
        "silent": crew.silent,
        "schedule": rules.often,
        "paused_schedule": rules.paused,
        "type": TYPE,
        "lane": lanes.busy,
        "held_lane": lanes.held,
        "job": jobs.failed,
        "pending": jobs.pending,
        "scheduled": jobs.scheduled,
        "retrying": jobs.retrying,
        "running": jobs.running,
        "bulk": jobs.bulk,
        "parent": jobs.parent,
        "group": jobs.group,
    }


def add_demo_customers(sql: psycopg.Connection, database: Database) -> dict[str, object]:
    """Accounts and people alone; what stands for the words of their pages."""
    customers = add_customers(sql)
    (group, *_) = list_incident_groups(sql, limit=1)
    return _add_people(sql, database) | {
        "account": customers.accounts["Acme"],
        "mail": customers.mail,
        "org": customers.org,
        "alike": group.fingerprint,
        "incident": _one(sql, "SELECT min(id) FROM incidents"),
        "anomaly": _one(sql, "SELECT min(id) FROM anomalies"),
    }


def _add_people(sql: psycopg.Connection, database: Database) -> dict[str, object]:
    """An operator, a viewer with a long name, a token, and what they did."""
    add_person(database, "Ada Lovelace", Role.OPERATOR)
    add_person(database, "Charles with a name that is a good deal longer than most names are", Role.VIEWER)
    ada = _one(sql, "SELECT id FROM people WHERE name = 'Ada Lovelace'")
    with database.transaction() as connection:
        token, _ = add_token(connection, "prometheus", Role.VIEWER, created_by="Ada Lovelace")
        actor = Actor(ActorKind.PERSON, ada, "Ada Lovelace")
        note(connection, actor, Act("lane.pause", "lane", "email.sync account:1", None, {"why": "too many bounces"}))
        note(connection, actor, Act("job.retry", "job", "7", None, {"new_job": 8}))
    return {"person": ada, "token": token}


def _one(sql: psycopg.Connection, query: str) -> int:
    ((found,),) = sql.execute(query.encode()).fetchall()
    return int(found)
