"""What the manager asks of a sign-in to Salesforce by a person's browser; the command line brings the one that does it.

Servants and the manager know nothing of each other: `servants.salesforce.client.web_flow.WebFlow` is such a sign-in.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class OrgSignIn(Protocol):
    """One sign-in under way; `state` and `verifier` bind what comes back to it."""

    @property
    def state(self) -> str: ...

    @property
    def verifier(self) -> str: ...

    @property
    def url(self) -> str:
        """Where the browser is sent."""

    def finish(self, came_back: Mapping[str, str]) -> dict[str, str]:
        """The connection's credentials; `came_back` is the query that the browser brought.

        Raises:
            JobError: there are none; the message says why, and holds no secret.
        """


class MakeOrgSignIn(Protocol):
    """Makes one, or goes on with one whose `state` and `verifier` were kept."""

    def __call__(
        self,
        login_url: str,
        client_id: str,
        redirect_url: str,
        client_secret: str = "",
        state: str = ...,
        verifier: str = ...,
    ) -> OrgSignIn: ...
