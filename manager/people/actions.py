"""What admins do with people."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Response

from infra.passwords import hash_password, new_password
from infra.postgres import people
from infra.postgres.people import Person
from infra.postgres.sessions import close_sessions
from infra.roles import Role
from manager.audit import note
from manager.deps import Deps
from manager.roles import current_user, requires
from retinue.errors import NotAllowed


def add_actions(blueprint: Blueprint, deps: Deps) -> None:
    """Each a small POST."""
    _add_making(blueprint, deps)
    _add_changing(blueprint, deps)


def _add_making(blueprint: Blueprint, deps: Deps) -> None:
    @blueprint.post("")
    @requires(Role.ADMIN)
    def create() -> str:
        name, role = request.form.get("name", "").strip(), role_in_form()
        password = request.form.get("password") or new_password()
        hashed = hash_password(password, name=name)
        with deps.database.transaction() as connection:
            person = people.add_person(connection, name, role, password_hash=hashed)
            _note(connection, "person.add", person, role=role)
        return _secret_page(person, password)

    @blueprint.post("/<int:person_id>/password")
    @requires(Role.ADMIN)
    def password(person_id: int) -> str:
        made = new_password()
        with _changing(deps, person_id) as (connection, person):
            people.set_password(connection, person.id, hash_password(made, name=person.name))
            _note(connection, "person.password", person)
        return _secret_page(person, made)


def _add_changing(blueprint: Blueprint, deps: Deps) -> None:
    @blueprint.post("/<int:person_id>/role")
    @requires(Role.ADMIN)
    def change_role(person_id: int) -> Response:
        role = role_in_form()
        with _changing(deps, person_id) as (connection, person):
            if people.set_role(connection, person.id, role):
                _note(connection, "person.role", person, before=person.role, after=role)
        return _told(person, f"{person.name} is {_a(role)} now.")

    @blueprint.post("/<int:person_id>/disable")
    @requires(Role.ADMIN)
    def disable(person_id: int) -> Response:
        _refuse_oneself(person_id)
        with _changing(deps, person_id) as (connection, person):
            if people.disable_person(connection, person.id):
                _note(connection, "person.disable", person)
        said = "cannot sign in any more, is signed out everywhere, and their tokens are refused."
        return _told(person, f"{person.name} {said}")

    @blueprint.post("/<int:person_id>/enable")
    @requires(Role.ADMIN)
    def enable(person_id: int) -> Response:
        with _changing(deps, person_id) as (connection, person):
            if people.enable_person(connection, person.id):
                _note(connection, "person.enable", person)
        return _told(person, f"{person.name} can sign in again.")

    @blueprint.post("/<int:person_id>/sign-out")
    @requires(Role.ADMIN)
    def sign_out(person_id: int) -> Response:
        with _changing(deps, person_id) as (connection, person):
            ended = close_sessions(connection, person.id)
            if ended:
                _note(connection, "person.sign_out", person, sessions=ended)
        return _told(person, f"{person.name} is signed out everywhere.")


@contextmanager
def _changing(deps: Deps, person_id: int) -> Iterator[tuple[psycopg.Connection, Person]]:
    """A transaction and the person whom it changes, of whom nothing is remembered after it."""
    try:
        with deps.database.transaction() as connection:
            yield connection, people.find_person(connection, person_id)
    finally:
        deps.remembered.forget_person(person_id)


def role_in_form() -> Role:
    """The role that was chosen.

    Raises:
        BadRequest: there is no such role.
    """
    try:
        return Role(request.form.get("role", ""))
    except ValueError:
        raise BadRequest("There is no such role.") from None


def _refuse_oneself(person_id: int) -> None:
    if current_user().id == person_id:
        raise NotAllowed("This is you: somebody else has to do it.")


def _note(connection: psycopg.Connection, action: str, person: Person, **detail: object) -> None:
    note(connection, action, "person", person.id, name=person.name, **detail)


def _told(person: Person, sentence: str) -> Response:
    flash(sentence, "good")
    return redirect(url_for("people.show", person_id=person.id), 303)


def _secret_page(person: Person, password: str) -> str:
    """Not a redirect: the password is shown this once, and is nowhere else."""
    return render_template("people/password.html", person=person, password=password)


def _a(role: Role) -> str:
    return f"{'an' if role[0] in 'ao' else 'a'} {role}"
