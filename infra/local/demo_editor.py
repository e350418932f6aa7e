"""Keeps editing the demo calendars, as their owners would, so that there is always something to sync.

    python -m infra.local.demo_editor --url http://127.0.0.1:8630 --data .retinue/caldav --interval 5

Every edit concerns one of a few *places* in a calendar, events of its own called `demo-editor-0` and so on: an empty
place gets an event, a taken one is changed or cleared. So the demo's own events stay as they are, the number of others
is bounded, and nothing has to be remembered across restarts of this program or of the server.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import icalendar
import requests

from infra.local.demo_accounts import DEMO_ACCOUNTS, TIMEOUT_SECONDS, calendar_url
from infra.local.demo_loop import run_until_stopped
from infra.local.sign_ins import read_passwords
from infra.logs import configure_logs, get_logger
from infra.loop import PassResult
from retinue.clock import Clock, SystemClock

log = get_logger(__name__)

PLACES_PER_CALENDAR = 6

#: How often an edit of a taken place clears it.
DELETE_SHARE = 0.3

SUBJECTS = (
    "Call with the supplier",
    "Contract review",
    "Interview",
    "Budget check",
    "Site walk",
    "Training",
    "Quarterly numbers",
    "Lunch with a customer",
)
ROOMS = ("Room 1", "Room 2", "Upstairs", "Online", "Café across the street")
ZONES = ("America/New_York", "Europe/Berlin", "Asia/Kolkata", "Australia/Sydney")
RULES = ("FREQ=WEEKLY;COUNT=4", "FREQ=DAILY;COUNT=3", "FREQ=MONTHLY;COUNT=6")


@dataclass(frozen=True, slots=True)
class Edit:
    """What was done to one place: `created`, `changed` or `deleted`."""

    action: str
    user: str
    calendar: str
    event: str


class DemoEditor:
    """One edit at a time, drawn from `rng`: the same seed gives the same edits on the same calendars."""

    def __init__(self, base_url: str, passwords: Mapping[str, str], *, rng: random.Random, clock: Clock) -> None:
        self._base_url = base_url
        self._passwords = passwords
        self._rng = rng
        self._clock = clock

    def run_once(self) -> PassResult:
        """Make one edit and log it."""
        edit = self.edit()
        log.info("calendar_edited", action=edit.action, user=edit.user, calendar=edit.calendar, event_name=edit.event)
        return PassResult(done=1)

    def edit(self) -> Edit:
        """Draw a place and fill, change or clear it.

        Raises:
            requests.RequestException: the server cannot be reached or refused the request.
        """
        account = self._rng.choice(DEMO_ACCOUNTS)
        calendar = self._rng.choice(account.calendars)
        name = f"demo-editor-{self._rng.randrange(PLACES_PER_CALENDAR)}"
        url = f"{calendar_url(self._base_url, account.user, calendar.slug)}{name}.ics"
        with requests.Session() as session:
            session.auth = (account.user, self._passwords[account.user])
            return Edit(self._edit_place(session, url, name), account.user, calendar.slug, name)

    def _edit_place(self, session: requests.Session, url: str, name: str) -> str:
        present = session.get(url, timeout=TIMEOUT_SECONDS)
        if present.status_code == requests.codes.not_found:
            self._put(session, url, name)
            return "created"
        present.raise_for_status()
        if self._rng.random() < DELETE_SHARE:
            session.delete(url, timeout=TIMEOUT_SECONDS).raise_for_status()
            return "deleted"
        self._put(session, url, name)
        return "changed"

    def _put(self, session: requests.Session, url: str, name: str) -> None:
        headers = {"Content-Type": "text/calendar; charset=utf-8"}
        body = draw_event(name, self._rng, self._clock.now())
        session.put(url, data=body, headers=headers, timeout=TIMEOUT_SECONDS).raise_for_status()


def draw_event(uid: str, rng: random.Random, now: datetime) -> bytes:
    """An event of the coming two weeks, sometimes a series, as an iCalendar file."""
    zone = ZoneInfo(rng.choice(ZONES))
    day = now.astimezone(zone).replace(minute=0, second=0, microsecond=0) + timedelta(days=rng.randrange(14))
    start = day.replace(hour=rng.randrange(8, 18), minute=rng.choice((0, 15, 30, 45)))
    event = icalendar.Event()
    event.add("UID", uid)
    event.add("DTSTAMP", now.astimezone(UTC))
    event.add("DTSTART", start)
    event.add("DTEND", start + timedelta(minutes=rng.choice((15, 30, 60, 90))))
    event.add("SUMMARY", rng.choice(SUBJECTS))
    event.add("LOCATION", rng.choice(ROOMS))
    if rng.random() < 0.25:
        event.add("RRULE", icalendar.vRecur.from_ical(rng.choice(RULES)))
    whole = icalendar.Calendar()
    whole.add("PRODID", "-//Retinue//Demo editor//EN")
    whole.add("VERSION", "2.0")
    whole.add_component(event)
    whole.add_missing_timezones()
    return bytes(whole.to_ical())


def main(arguments: list[str] | None = None) -> int:
    """Run the program; the exit status."""
    parser = argparse.ArgumentParser(prog="infra.local.demo_editor", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--url", required=True, help="address of the CalDAV server")
    parser.add_argument("--data", type=Path, required=True, help="the server's directory, which holds the sign-ins")
    parser.add_argument("--interval", type=float, default=5, metavar="SECONDS")
    parser.add_argument("--seed", type=int, default=1, help="the same number gives the same edits")
    options = parser.parse_args(arguments)
    configure_logs("console", "info")
    passwords = read_passwords(options.data)
    if not passwords:
        sys.stderr.write(f"There are no sign-ins in {options.data}: start the CalDAV server with this --data first.\n")
        return 1
    rng = random.Random(options.seed)  # noqa: S311 - a demo, not cryptography
    editor = DemoEditor(options.url, passwords, rng=rng, clock=SystemClock())
    run_until_stopped("demo_editor", editor.run_once, interval_seconds=options.interval)
    return 0


if __name__ == "__main__":
    sys.exit(main())
