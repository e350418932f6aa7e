"""What the page after an invitation says: that a letter was sent, or the link, which is shown this once."""

from __future__ import annotations

from dataclasses import dataclass

from flask import url_for
from werkzeug.exceptions import TooManyRequests

from infra.invitations import Invited, link_of, tell
from infra.logs import get_logger
from infra.outgoing_mail import MailNotSent, can_send
from manager.deps import Deps
from manager.throttle import Throttle

#: Letters to one address that are sent without a wait between them.
FREE_LETTERS = 3

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Told:
    """`sent_to` is an address where a letter went out; else `link` is to be given to them, `problem` says why."""

    sent_to: str | None = None
    link: str | None = None
    problem: str | None = None


class Inviting:
    """Tells people that they are invited. Nobody can have their mailbox filled by it."""

    def __init__(self, deps: Deps) -> None:
        self._settings = deps.settings
        self._letters = Throttle(deps.clock, free_failures=FREE_LETTERS)

    def check(self, email: str) -> None:
        """Before anything is done.

        Raises:
            TooManyRequests: letters went to this address a moment ago.
        """
        wait = self._letters.wait_seconds(email.lower())
        if wait > 0:
            raise TooManyRequests(f"Several letters went to {email} a moment ago.", retry_after=round(wait) + 1)
        if can_send(self._settings):
            self._letters.count_failure(email.lower())

    def tell(self, invited: Invited) -> Told:
        """After the invitation is kept."""
        member = invited.invitation.member
        try:
            if tell(self._settings, invited):
                return Told(sent_to=member.email)
        except MailNotSent as error:
            # Logs outlast an account: they tell of its people by number.
            why = error.message.replace(member.email, "them")
            log.warning("invitation_not_sent", member=member.id, account=member.account_id, error=why)
            return Told(link=self._link(invited), problem=error.message)
        return Told(link=self._link(invited))

    def _link(self, invited: Invited) -> str:
        """Where whoever invites has reached the manager, unless the settings say where everybody does."""
        if self._settings.manager_url is not None:
            return link_of(self._settings.manager_url, invited.invitation)
        return url_for("account.join_form", invitation=invited.invitation.secret, _external=True)
