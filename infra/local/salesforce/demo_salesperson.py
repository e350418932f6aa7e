"""Keeps working in the demo org: deals move on, tasks and leads come, and some of them go again.

    python -m infra.local.salesforce.demo_salesperson --url http://127.0.0.1:8650 --interval 10

Its own tasks and leads are told by their names, and there is a bounded number of them: nothing has to be remembered
across restarts of this program or of the org. It works behind the API, as people in a browser do, and uses no calls.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from infra.local.demo_loop import run_until_stopped
from infra.local.salesforce.control_client import Control, ControlRefused, Done
from infra.logs import configure_logs, get_logger
from infra.loop import PassResult

log = get_logger(__name__)

#: What the names of this program's own tasks and leads begin with.
MARK = "Follow-up"

#: How many of them there are at most.
MOST = 25

#: How often each is done.
ACTIONS = {"deal_moved": 55, "contact_changed": 15, "task_added": 12, "lead_added": 8, "deleted": 6, "undeleted": 4}

STAGES = ("Prospecting", "Qualification", "Needs Analysis", "Proposal/Price Quote", "Negotiation/Review", "Closed Won")
TITLES = ("Owner", "Site manager", "Buyer", "Director", "Engineer")
TOPICS = ("call back", "send the offer", "agree a date", "check the drawings", "ask for the order")


@dataclass(frozen=True, slots=True)
class Deed:
    """What was done to one record."""

    action: str
    id: str


class DemoSalesperson:
    """One deed at a time, drawn from `rng`."""

    def __init__(self, control: Control, *, rng: random.Random) -> None:
        self._control = control
        self._rng = rng
        self._deeds: Mapping[str, Callable[[], list[Done]]] = {
            "deal_moved": self._move_deal,
            "contact_changed": self._change_contact,
            "task_added": lambda: self._add("Task", Subject=f"{MARK}: {rng.choice(TOPICS)}", Status="Not Started"),
            "lead_added": lambda: self._add("Lead", LastName=f"{MARK} {rng.randrange(1000)}", Company="Walk-in"),
            "deleted": lambda: self._control.delete([self._own_lead(deleted=False)]),
            "undeleted": lambda: self._control.undelete([self._own_lead(deleted=True)]),
        }

    def run_once(self) -> PassResult:
        """Do one thing and log it."""
        deed = self.deed()
        log.info("demo_org_changed", action=deed.action, record=deed.id)
        return PassResult(done=1)

    def deed(self) -> Deed:
        """Draw a deed that can be done, and do it.

        Raises:
            requests.RequestException, ControlRefused: the org cannot be reached, or refused it.
        """
        action = self._rng.choices(list(ACTIONS), list(ACTIONS.values()))[0]
        if action in ("deleted", "undeleted") and not self._leads(deleted=action == "undeleted"):
            action = "lead_added"
        return Deed(action, _refuse_failure(action, self._deeds[action]()))

    def _move_deal(self) -> list[Done]:
        deal = self._any("Opportunity")
        amount = self._rng.randrange(10_000, 9_000_000) / 100
        change = {"StageName": self._rng.choice(STAGES), "Amount": amount}
        return self._control.update("Opportunity", [{"Id": deal, **change}])

    def _change_contact(self) -> list[Done]:
        return self._control.update("Contact", [{"Id": self._any("Contact"), "Title": self._rng.choice(TITLES)}])

    def _any(self, sobject: str) -> str:
        return str(self._rng.choice([row["Id"] for row in self._rows(sobject) if not row["IsDeleted"]]))

    def _add(self, sobject: str, **values: Any) -> list[Done]:
        """Make a record, and room for it where there are as many as there may be."""
        name = next(iter(values))
        own = [row for row in self._rows(sobject) if str(row[name]).startswith(MARK)]
        if len(own) >= MOST:
            remove = self._control.purge if own[0]["IsDeleted"] else self._control.hard_delete
            _refuse_failure("made room", remove([own[0]["Id"]]))
        return self._control.insert(sobject, [values])

    def _own_lead(self, *, deleted: bool) -> str:
        return str(self._rng.choice(self._leads(deleted=deleted)))

    def _leads(self, *, deleted: bool) -> list[str]:
        rows = self._rows("Lead")
        return [row["Id"] for row in rows if row["IsDeleted"] is deleted and row["LastName"].startswith(MARK)]

    def _rows(self, sobject: str) -> list[dict[str, Any]]:
        return list(self._control.rows(sobject))


def _refuse_failure(action: str, done: list[Done]) -> str:
    """The record that something was done to.

    Raises:
        ControlRefused: the org refused it.
    """
    (one,) = done
    if not one.success or one.id is None:
        raise ControlRefused(f"{action}: {[error['statusCode'] for error in one.errors]}")
    return one.id


def main(arguments: list[str] | None = None) -> int:
    """Run the program; the exit status."""
    parser = argparse.ArgumentParser(
        prog="infra.local.salesforce.demo_salesperson", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--url", required=True, help="the sandbox org's address")
    parser.add_argument("--interval", type=float, default=10, metavar="SECONDS")
    parser.add_argument("--seed", type=int, default=1, help="the same number gives the same deeds")
    options = parser.parse_args(arguments)
    configure_logs("console", "info")
    control = Control(options.url)
    rng = random.Random(options.seed)  # noqa: S311 - a demo, not cryptography
    salesperson = DemoSalesperson(control, rng=rng)
    run_until_stopped("demo_salesperson", salesperson.run_once, interval_seconds=options.interval)
    control.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
