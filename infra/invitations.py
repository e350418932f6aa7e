"""How somebody is told of the link by which they choose a password: by a letter where there is a server for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from infra.outgoing_mail import can_send, send
from infra.postgres.members import Invitation

if TYPE_CHECKING:
    from infra.settings import Settings

_INVITED = """\
Hello {name},

{by} has invited you to {account}. Choose a password here:

{link}

The link works once, and for {days}. If you expected no invitation, leave it alone.
"""

_ANEW = """\
Hello {name},

here you choose a new password for {account}:

{link}

The link works once, and for {days}. Your password stays what it is until then. If you have not asked for it, leave it
alone.
"""


@dataclass(frozen=True, slots=True)
class Invited:
    """Somebody to be told: who, by whom, to which account. Who has joined it chooses a password anew."""

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
    member, days = invited.invitation.member, invited.invitation.days
    is_new = member.joined_at is None
    text = (_INVITED if is_new else _ANEW).format(
        name=member.name,
        by=invited.by,
        account=invited.account,
        link=link_of(settings.manager_url or "", invited.invitation),
        days=f"{days} day{'s' if days > 1 else ''}",
    )
    subject = f"You are invited to {invited.account}" if is_new else f"A new password for {invited.account}"
    send(settings, to=member.email, subject=subject, text=text)
    return True
