"""Which org of Salesforce a connection is to: kept with its settings, because records of two orgs must not mix.

Salesforce names it with each token (the identity URL, `https://login.salesforce.com/id/ORGANIZATION/USER`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Its place in a connection's `config`, and in its credentials, where renewals keep what they are told.
ORGANIZATION = "organization_id"

#: What tells orgs apart; the 18 characters that Salesforce mostly writes end in 3 that only check the case.
_LENGTH = 15


def organization_of(*settings: Any) -> str:
    """The ID of the org that the first of these settings names; empty where none does."""
    for part in settings:
        # Rows may hold whatever JSON somebody wrote into them.
        value = part.get(ORGANIZATION) if isinstance(part, Mapping) else None
        if isinstance(value, str) and value:
            return value
    return ""


def with_organization(config: Mapping[str, Any], credentials: Mapping[str, str]) -> dict[str, Any]:
    """The settings with the org that a sign-in named, where it named one."""
    told = organization_of(credentials)
    return {**config, ORGANIZATION: told} if told else {**config}


def is_another(kept: str, told: str) -> bool:
    """Whether these are two orgs; where one is not known, they are not."""
    return bool(kept and told) and kept[:_LENGTH] != told[:_LENGTH]
