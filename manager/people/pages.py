"""The pages that show people."""

from __future__ import annotations

from flask import Blueprint, render_template

from infra.passwords import MIN_LENGTH
from infra.postgres import people
from infra.postgres.api_tokens import count_tokens
from infra.postgres.audit import ActionFilter, list_actions
from infra.postgres.sessions import list_sessions
from infra.roles import Role
from manager.deps import Deps
from manager.paging import before_of_address, older_page
from manager.roles import requires
from manager.sessions import session_digest

#: People on one page.
SHOWN = 100

#: What a person did last, on their page.
ACTIONS_SHOWN = 10


def add_pages(blueprint: Blueprint, deps: Deps) -> None:
    """The list, one person, and the form for a new one."""

    @blueprint.get("")
    @requires(Role.ADMIN)
    def index() -> str:
        with deps.database.transaction() as connection:
            people.ensure_person(connection, deps.settings.manager_user, Role.ADMIN)
            found = people.list_people(connection, before=before_of_address(), limit=SHOWN + 1)
        return render_template("people/index.html", people=found[:SHOWN], older=older_page(found, SHOWN))

    @blueprint.get("/new")
    @requires(Role.ADMIN)
    def new() -> str:
        return render_template("people/new.html", roles=list(Role), min_length=MIN_LENGTH)

    @blueprint.get("/<int:person_id>")
    @requires(Role.ADMIN)
    def show(person_id: int) -> str:
        with deps.database.transaction() as connection:
            person = people.find_person(connection, person_id)
            sessions = list_sessions(connection, person.id, present=session_digest())
            did = list_actions(connection, ActionFilter(actor=person.name), limit=ACTIONS_SHOWN)
        return render_template("people/show.html", person=person, sessions=sessions, did=did.actions, roles=list(Role))

    @blueprint.get("/<int:person_id>/disable/confirm")
    @requires(Role.ADMIN)
    def confirm_disable(person_id: int) -> str:
        with deps.database.transaction() as connection:
            person = people.find_person(connection, person_id)
            sessions = list_sessions(connection, person.id)
            tokens = count_tokens(connection, person.id)
        return render_template("people/disable.html", person=person, sessions=len(sessions), tokens=tokens)
