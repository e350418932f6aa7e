"""How somebody who is invited to an account is told: by a letter where there is a server for it, else by a link."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from infra.outgoing_mail import can_send, send
from infra.postgres.members import INVITATION_DAYS, Invitation

if TYPE_CHECKING:
    from infra.settings import Settings

_TEXT = """\
Hello {name},

{by} has invited you to {account}. Choose a password here:

{link}

The link works once, and until {days} days from now. If you expected no invitation, leave it alone.
"""


@dataclass(frozen=True, slots=True)
class Invited:
    """Somebody to be told: who, by whom, to which account."""

    invitation: Invitation
    account: str
    by: str


def link_of(address: str, invitation: Invitation) -> str:
    """Where the invitation is taken, of the manager at this address."""
    return f"{address.rstrip('/')}/account/join?{urlencode({'invitation': invitation.secret})}"


def tell(settings: Settings, invited: Invited) -> bool:
    """Send them the link; False where no mail server is set, and somebody else has to give it to them.

    Raises:
        MailNotSent: the server did not take it.
    """
    if not can_send(settings):
        return False
    member = invited.invitation.member
    text = _TEXT.format(
        name=member.name,
        by=invited.by,
        account=invited.account,
        link=link_of(settings.manager_url or "", invited.invitation),
        days=INVITATION_DAYS,
    )
    send(settings, to=member.email, subject=f"You are invited to {invited.account}", text=text)
    return True
