"""The people of an account who may sign in: who they are, and how they are invited."""

from __future__ import annotations

from flask import Blueprint, flash, make_response, redirect, request, url_for
from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Response

from infra.invitations import Invited
from infra.permissions import Permission
from infra.postgres.accounts import InvalidName
from infra.postgres.members import change_member, find_member, invite_member, list_members, renew_link
from infra.principal import MemberRole
from manager.account.acts import acting_member
from manager.account.principals import current_principal
from manager.account.shown import account_page
from manager.deps import Deps
from manager.inviting import Inviting
from manager.roles import requires
from retinue.errors import NotAllowed


def add_members(blueprint: Blueprint, deps: Deps) -> None:
    """The list, and what admins do with it."""
    inviting = Inviting(deps)

    @blueprint.get("/members")
    @requires(Permission.OWN_LOOK)
    def members() -> str:
        return _page(deps)

    @blueprint.post("/members")
    @requires(Permission.OWN_RULE)
    def invite() -> Response | str:
        try:
            return invited()
        except (NotAllowed, InvalidName) as refusal:
            return make_response(_page(deps, refusal.message), 409)

    def invited() -> str:
        principal, role = current_principal(), _role_in_form()
        email, name = request.form.get("email", "").strip(), request.form.get("name", "").strip()
        inviting.check(email)
        with acting_member(deps) as (connection, note):
            made = invite_member(connection, principal.account_id, email=email, name=name, role=role, by=principal.name)
            note("member.invite", "member", made.member.id, role=role)
        told = inviting.tell(Invited(made, principal.account_name, principal.name))
        # Not a redirect: the link is shown this once, and is nowhere else.
        return account_page("account/invited.html", shown={"member": [made.member.id]}, member=made.member, told=told)

    @blueprint.post("/members/<int:member_id>/link")
    @requires(Permission.OWN_RULE)
    def renew_member_link(member_id: int) -> str:
        principal = current_principal()
        with acting_member(deps) as (connection, note):
            inviting.check(find_member(connection, principal.account_id, member_id).email)
            made = renew_link(connection, principal.account_id, member_id)
            note("member.link", "member", member_id)
        told = inviting.tell(Invited(made, principal.account_name, principal.name))
        return account_page("account/invited.html", shown={"member": [member_id]}, member=made.member, told=told)

    _add_changing(blueprint, deps)


def _add_changing(blueprint: Blueprint, deps: Deps) -> None:
    @blueprint.post("/members/<int:member_id>/role")
    @requires(Permission.OWN_RULE)
    def change_role(member_id: int) -> Response:
        role = _role_in_form()
        with acting_member(deps) as (connection, note):
            account_id = current_principal().account_id
            before = find_member(connection, account_id, member_id)
            after = change_member(connection, account_id, member_id, role=role)
            note("member.role", "member", member_id, before=before.role, after=role)
        return _told(f"{after.name} is {'an admin' if role is MemberRole.ADMIN else 'a member'} now.")

    @blueprint.post("/members/<int:member_id>/disable")
    @requires(Permission.OWN_RULE)
    def disable_member(member_id: int) -> Response:
        if member_id == current_principal().id:
            raise NotAllowed("This is you: another admin has to do it.")
        with acting_member(deps) as (connection, note):
            member = change_member(connection, current_principal().account_id, member_id, disabled=True)
            note("member.disable", "member", member_id)
        return _told(f"{member.name} cannot sign in any more, and is signed out everywhere.")

    @blueprint.post("/members/<int:member_id>/enable")
    @requires(Permission.OWN_RULE)
    def enable_member(member_id: int) -> Response:
        with acting_member(deps) as (connection, note):
            member = change_member(connection, current_principal().account_id, member_id, disabled=False)
            note("member.enable", "member", member_id)
        return _told(f"{member.name} can sign in again.")


def _page(deps: Deps, problem: str | None = None) -> str:
    """The list and the form, as it was filled in where it could not be used."""
    principal = current_principal()
    with deps.accounts.session(principal) as connection:
        found = list_members(connection, principal.account_id)
    values = {"members": found, "roles": list(MemberRole), "problem": problem, "written": request.form}
    return account_page("account/members.html", shown={"member": [one.id for one in found]}, **values)


def _role_in_form() -> MemberRole:
    try:
        return MemberRole(request.form.get("role", ""))
    except ValueError:
        raise BadRequest("There is no such role.") from None


def _told(sentence: str) -> Response:
    flash(sentence, "good")
    return redirect(url_for("account.members"), 303)
