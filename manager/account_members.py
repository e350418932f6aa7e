"""The people of an account, as admins of the installation see them: somebody has to invite the first one."""

from __future__ import annotations

from flask import Blueprint, render_template, request
from werkzeug.exceptions import BadRequest

from infra.invitations import Invited
from infra.permissions import Permission
from infra.postgres.accounts import find_account
from infra.postgres.members import invite_member, list_members
from infra.principal import MemberRole
from manager.acting import acting
from manager.audit import note
from manager.deps import Deps
from manager.inviting import Inviting
from manager.roles import current_user, requires


def account_members_blueprint(deps: Deps) -> Blueprint:
    """`/accounts/7/members`."""
    inviting = Inviting(deps)
    blueprint = Blueprint("account_members", __name__, url_prefix="/accounts/<int:account_id>/members")

    @blueprint.get("")
    @requires(Permission.PEOPLE_RULE)
    def index(account_id: int) -> str:
        with deps.database.transaction() as connection:
            account = find_account(connection, str(account_id))
            found = list_members(connection, account_id)
        return render_template("members/index.html", account=account, members=found, roles=list(MemberRole)[::-1])

    @blueprint.post("")
    @requires(Permission.PEOPLE_RULE)
    def invite(account_id: int) -> str:
        email, name = request.form.get("email", "").strip(), request.form.get("name", "").strip()
        try:
            role = MemberRole(request.form.get("role", ""))
        except ValueError:
            raise BadRequest("There is no such role.") from None
        inviting.check(email)
        with acting(deps) as connection:
            account = find_account(connection, str(account_id))
            made = invite_member(connection, account_id, email=email, name=name, role=role, by=current_user().name)
            note(connection, "member.invite", "member", made.member.id, account_id=account_id, role=role)
        told = inviting.tell(Invited(made, account.name, current_user().name))
        # Not a redirect: the link is shown this once, and is nowhere else.
        return render_template("members/invited.html", account=account, member=made.member, told=told)

    return blueprint
