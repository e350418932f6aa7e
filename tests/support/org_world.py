"""What an org of the proof consists of, and what has been made and forgotten in it by whoever changes it."""

from __future__ import annotations

import random
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable

from tests.support.sandbox_org import USER, SandboxOrg

#: Parents first.
OBJECTS = ("Account", "Contact", "Opportunity", "Task", "Project__c")

PROJECT = "Project__c"

#: Rows of each object before anybody connects; of accounts as many as the proof wants.
SEEDED = {"Contact": 40, "Opportunity": 40, "Task": 30}

STAGES = ("Prospecting", "Qualification", "Negotiation/Review", "Closed Won", "Closed Lost")

#: By object: a formula field, and the definitions that it changes between.
FORMULAS = {
    "Account": ("Load__c", ("NumberOfEmployees * 2", "NumberOfEmployees * 3", "NumberOfEmployees + 7")),
    PROJECT: ("Score__c", ("Hours__c * 2", "Hours__c * 5", "Hours__c + Client__r.NumberOfEmployees")),
}

Draw = random.Random


def furnish(org: SandboxOrg, *, accounts: int) -> list[str]:
    """Make the objects, and rows from before; the Ids of the accounts."""
    control = org.control
    control.set_limit("DailyApiRequests", 100_000_000)
    control.set_session_seconds(10**8)
    control.allow_system(USER.username, "bulk_api_hard_delete", on=True)
    control.add_object(
        PROJECT,
        [
            {"name": "Client__c", "type": "reference", "reference_to": ["Account"], "relationship": "Client__r"},
            {"name": "Hours__c", "type": "double", "scale": 0},
            {"name": "Client_Name__c", "type": "string", "formula": "Client__r.Name"},
            {"name": "Score__c", "type": "double", "scale": 0, "formula": FORMULAS[PROJECT][1][0]},
        ],
    )
    control.add_field("Account", "Load__c", "double", scale=0, formula=FORMULAS["Account"][1][0])
    control.add_field("Contact", "Firm__c", "string", formula="Account.Name")
    control.seed("Account", accounts)
    for name, rows in SEEDED.items():
        control.seed(name, rows)
    return [row["Id"] for row in control.rows("Account")]


def values(sobject: str, draw: Draw, parent: str | None) -> dict[str, object]:
    """A row's values, new ones each time."""
    word = f"{draw.choice(('Ash', 'Bay', 'Cedar', 'Elm'))} {draw.randrange(10**6)}"
    makers: dict[str, Callable[[], dict[str, object]]] = {
        "Account": lambda: {"Name": word, "NumberOfEmployees": draw.randrange(1000)},
        "Contact": lambda: {"LastName": word, "AccountId": parent},
        "Opportunity": lambda: {
            "Name": word,
            "StageName": draw.choice(STAGES),
            "CloseDate": f"2027-0{draw.randint(1, 9)}-1{draw.randint(0, 9)}",
            "Amount": draw.randrange(10**7) / 100,
            "AccountId": parent,
        },
        "Task": lambda: {"Subject": word, "Status": draw.choice(("Not Started", "Completed")), "WhatId": parent},
        PROJECT: lambda: {"Name": word, "Hours__c": draw.randrange(500), "Client__c": parent},
    }
    return makers[sobject]()


class Ledger:
    """What all writers together have made; and of which rows the org has forgotten that they were deleted."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: dict[str, set[str]] = defaultdict(set)
        self._traceless: dict[str, set[str]] = defaultdict(set)

    def note_made(self, sobject: str, ids: Iterable[str]) -> None:
        with self._lock:
            self._made[sobject].update(ids)

    def note_forgotten(self, org: SandboxOrg, sobject: str) -> None:
        """The log of deletions was emptied a moment ago: only comparing finds what is gone by now."""
        with self._lock:
            made = set(self._made[sobject])
        there = {row["Id"] for row in org.control.rows(sobject) if not row["IsDeleted"]}
        with self._lock:
            self._traceless[sobject] |= made - there

    def traceless(self, sobject: str) -> set[str]:
        """Rows that may have gone without a trace, and some that have come back since."""
        return set(self._traceless[sobject])
