"""The pages of an account's own people, and of operators who have assumed it."""

from __future__ import annotations

from functools import partial

from flask import Blueprint

from infra.outgoing_mail import can_send
from manager.account.connecting import add_connecting
from manager.account.connections import add_connections
from manager.account.forgotten import add_forgotten
from manager.account.members import add_members
from manager.account.people import add_people
from manager.account.principals import may, may_unmask, present_principal
from manager.account.records import add_records
from manager.account.shown import note_what_is_shown
from manager.account.sign_in import add_sign_in
from manager.account.visits import add_visits
from manager.deps import Deps


def account_blueprint(deps: Deps) -> Blueprint:
    """Everything below `/account`."""
    blueprint = Blueprint("account", __name__, url_prefix="/account")
    blueprint.add_app_template_global(present_principal)
    blueprint.add_app_template_global(may)
    blueprint.add_app_template_global(may_unmask)
    blueprint.add_app_template_global(partial(can_send, deps.settings), "sends_letters")
    add_sign_in(blueprint, deps)
    add_forgotten(blueprint, deps)
    add_connections(blueprint, deps)
    add_connecting(blueprint, deps)
    add_people(blueprint, deps)
    add_records(blueprint, deps)
    add_members(blueprint, deps)
    add_visits(blueprint, deps)
    note_what_is_shown(blueprint, deps)
    return blueprint
