"""Who forgot their password asks for a letter with a link; whether anybody has the address, nobody learns."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import psycopg
from flask import Blueprint, render_template, request
from werkzeug.exceptions import NotFound, TooManyRequests

from infra.invitations import Invited, tell
from infra.logs import get_logger
from infra.outgoing_mail import MailNotSent, can_send
from infra.postgres import audit
from infra.postgres.accounts import find_account
from infra.postgres.connect import DatabaseUnreachable
from infra.postgres.members import find_kept_member, renew_link
from manager.account.principals import member_as_user
from manager.deps import Deps
from manager.guesses import asking_network
from manager.roles import User, public
from manager.throttle import Throttle

#: Who asks for it reads it at once.
LINK_DAYS = 1

#: Letters that an address, and whoever asks, has free before they wait.
FREE_LETTERS = 3

log = get_logger(__name__)


class Letters:
    """Sends them one after the other, beside the requests: an answer takes as long for an address that nobody has."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self._asked = Throttle(deps.clock, free_failures=FREE_LETTERS)
        self._sending = ThreadPoolExecutor(max_workers=1, thread_name_prefix="letters")

    def ask(self, email: str, network: str) -> None:
        """Send one soon, where somebody signs in with this address.

        Raises:
            TooManyRequests: too many were asked for, for this address or from that network.
        """
        wait = max(self._asked.wait_seconds(one) for one in (email, network))
        if wait > 0:
            raise TooManyRequests("Too many letters were asked for.", retry_after=round(wait) + 1)
        self._asked.count_failure(email)
        self._asked.count_failure(network)
        self._sending.submit(self._send, email)

    def _send(self, email: str) -> None:
        try:
            invited = self._link_for(email)
            if invited is not None:
                tell(self._deps.settings, invited)
        except (MailNotSent, DatabaseUnreachable, psycopg.Error) as error:
            # Without what the server said: it names whom the letter was for.
            log.warning("letter_not_sent", error=type(error).__name__)
        except Exception:
            log.exception("letter_not_sent")

    def _link_for(self, email: str) -> Invited | None:
        with self._deps.database.transaction() as connection:
            kept = find_kept_member(connection, email)
            if kept is None or kept.password_hash is None or kept.disabled_at is not None:
                return None
            made = renew_link(connection, kept.account_id, kept.id, days=LINK_DAYS)
            act = audit.Act("member.forgot", "member", kept.id, kept.account_id)
            audit.note(connection, _asker(member_as_user(kept.id, kept.account_id)), act)
            return Invited(made, find_account(connection, str(kept.account_id)).name, kept.name)


def _asker(user: User) -> audit.Actor:
    """Whoever asked, by whose address it is; the request is answered by now."""
    return audit.Actor(user.kind, user.id, user.name)


def add_forgotten(blueprint: Blueprint, deps: Deps) -> None:
    """The form, and what it does."""
    letters = Letters(deps)

    @blueprint.get("/forgotten")
    @public
    def forgotten_form() -> str:
        _refuse_without_server(deps)
        return render_template("account/forgotten.html", asked=False)

    @blueprint.post("/forgotten")
    @public
    def forgotten() -> str:
        _refuse_without_server(deps)
        email = request.form.get("email", "").strip().lower()[:300]
        letters.ask(email, asking_network())
        return render_template("account/forgotten.html", asked=True)


def _refuse_without_server(deps: Deps) -> None:
    if not can_send(deps.settings):
        raise NotFound("No mail server is set here: ask an admin of your account for a new link.")
