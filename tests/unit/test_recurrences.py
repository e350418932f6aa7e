"""What takes place of recurring events: a table of cases, comparisons with independent libraries, and hostile rules."""

from __future__ import annotations

import random
import time
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise, takewhile
from zoneinfo import ZoneInfo

import icalendar
import pytest
from dateutil.rrule import rrulestr  # type: ignore[import-untyped]  # it ships no types
from icalendar import vRecur

from servants.calendar.events import expand_object, parse_object
from servants.calendar.occurrences import Steps, occurrences
from servants.calendar.recurrences import MAX_INSTANCES
from servants.calendar.rules import read_rule
from servants.calendar.series import Expansion, Instance, Window
from servants.calendar.zones import zone_or_utc
from tests.support.calendar_texts import Author
from tests.support.calendar_truth import occurrences_of
from tests.support.recurrence_case import Case
from tests.support.recurrence_cases_clocks import CLOCK_CASES
from tests.support.recurrence_cases_edits import EDIT_CASES
from tests.support.recurrence_cases_rfc import RFC_CASES
from tests.support.recurrence_cases_rules import RULE_CASES
from tests.support.recurrence_cases_zones import OUTLOOK_ZONE, ZONE_CASES
from tests.support.recurrence_rules import random_rule

CASES = [*RFC_CASES, *CLOCK_CASES, *ZONE_CASES, *EDIT_CASES, *RULE_CASES]

TODAY = date(2026, 11, 21)
YEARS = Window(date(2025, 11, 20), date(2028, 11, 21))


def calendar(lines: str, more: str = "") -> str:
    event = f"BEGIN:VEVENT\nUID:a\n{lines}\nEND:VEVENT\n"
    return f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//test//EN\n{event}{more}END:VCALENDAR\n"


def expanded(lines: str, *, window: Window = YEARS, today: date = TODAY, more: str = "") -> Expansion:
    parsed = parse_object(calendar(lines, more))
    assert parsed.problem is None
    expansion = expand_object(parsed, window, today=today)
    assert expansion.problem is None
    return expansion


def in_utc(text: str) -> str:
    """A date, or a moment in UTC, in ISO 8601."""
    return text if len(text) == len("2026-11-21") else datetime.fromisoformat(text).astimezone(UTC).isoformat()


def shown(instance: Instance, *, with_end: bool) -> str:
    span = instance.span
    start, end = span.starts_at or span.start_date, span.ends_at or span.end_date
    assert start is not None
    assert end is not None
    return f"{start.isoformat()}/{end.isoformat()}" if with_end else start.isoformat()


def test_there_are_many_cases_each_with_a_name_of_its_own() -> None:
    assert len(CASES) >= 100
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_takes_place(case: Case) -> None:
    parsed = parse_object(calendar(case.lines, case.more), floating_zone=zone_or_utc(case.floating_zone))
    assert parsed.problem is None

    expansion = expand_object(parsed, Window(*case.window), today=TODAY)

    assert (expansion.problem, expansion.too_long) == (None, False)
    with_ends = any("/" in instance for instance in case.expected)
    expected = sorted("/".join(in_utc(half) for half in instance.split("/")) for instance in case.expected)
    assert sorted(shown(instance, with_end=with_ends) for instance in expansion.instances) == expected
    assert len({instance.key for instance in expansion.instances}) == len(expansion.instances)


def test_instances_are_named_by_the_start_that_the_series_gave_them() -> None:
    override = (
        "BEGIN:VEVENT\nUID:a\nRECURRENCE-ID;TZID=America/New_York:20261202T090000\n"
        "DTSTART;TZID=America/New_York:20261205T120000\nSTATUS:TENTATIVE\nEND:VEVENT\n"
    )
    found = expanded("DTSTART;TZID=America/New_York:20261201T090000\nRRULE:FREQ=DAILY;COUNT=2", more=override)
    assert {(instance.key, instance.row, instance.status) for instance in found.instances} == {
        ("2026-12-01T14:00:00Z", "", None),
        ("2026-12-02T14:00:00Z", "2026-12-02T14:00:00Z", "TENTATIVE"),
    }
    all_day = expanded("DTSTART;VALUE=DATE:20261201\nRRULE:FREQ=DAILY;COUNT=2")
    assert [instance.key for instance in all_day.instances] == ["2026-12-01", "2026-12-02"]
    (alone,) = expanded("DTSTART;VALUE=DATE:20261201").instances
    assert (alone.key, alone.row) == ("", "")


@pytest.mark.parametrize(
    ("lines", "recurs", "goes_on"),
    [
        ("", False, False),
        ("RRULE:FREQ=DAILY", True, True),
        ("RRULE:FREQ=DAILY;COUNT=5", True, False),
        ("RRULE:FREQ=DAILY;COUNT=5000", True, True),
        ("RRULE:FREQ=DAILY;UNTIL=20270101T000000Z", True, False),
        ("RRULE:FREQ=DAILY;UNTIL=20370101T000000Z", True, True),
        ("RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", True, True),
        ("RDATE:20270101T000000Z", True, False),
        ("RDATE:20370101T000000Z", True, True),
    ],
)
def test_a_series_tells_whether_there_is_more_of_it(lines: str, recurs: bool, goes_on: bool) -> None:
    found = expanded(f"DTSTART:20261201T090000Z\n{lines}".rstrip())
    assert (found.recurs, found.goes_on) == (recurs, goes_on)


def test_an_instance_moved_beyond_the_window_is_more_to_come() -> None:
    override = "BEGIN:VEVENT\nUID:a\nRECURRENCE-ID:20261202T090000Z\nDTSTART:20361202T090000Z\nEND:VEVENT\n"
    found = expanded("DTSTART:20261201T090000Z\nRRULE:FREQ=DAILY;COUNT=2", more=override)
    assert ([instance.key for instance in found.instances], found.goes_on) == (["2026-12-01T09:00:00Z"], True)


def test_windows_that_follow_each_other_miss_and_double_nothing() -> None:
    lines = "DTSTART;TZID=Pacific/Auckland:20250901T003000\nDURATION:PT1H\nRRULE:FREQ=DAILY;BYHOUR=0,12,23"
    days = [date(2026, 1, 1) + timedelta(days=number) for number in range(0, 366, 5)]
    parts = [expanded(lines, window=Window(*pair)) for pair in pairwise(days)]
    keys = [instance.key for part in parts for instance in part.instances]
    whole = expanded(lines, window=Window(days[0], days[-1]))
    assert sorted(keys) == sorted(instance.key for instance in whole.instances)
    assert len(keys) == len(set(keys)) > 1000


MANY = ",".join(str(number) for number in range(60))
HOSTILE = [
    "FREQ=SECONDLY",
    "FREQ=SECONDLY;COUNT=2000000000",
    "FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30",
    "FREQ=SECONDLY;INTERVAL=2;BYSECOND=" + ",".join(str(number) for number in range(1, 60, 2)),
    "FREQ=SECONDLY;INTERVAL=2147483647",
    "FREQ=MINUTELY;INTERVAL=1441;BYHOUR=3",
    "FREQ=HOURLY",
    f"FREQ=DAILY;BYMINUTE={MANY};BYSECOND={MANY}",
    f"FREQ=YEARLY;BYDAY=MO,TU,WE,TH,FR,SA,SU;BYHOUR=0,1,2,3;BYMINUTE={MANY};BYSECOND={MANY};BYSETPOS=-1",
    "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
    "FREQ=DAILY;COUNT=2000000000",
    "FREQ=YEARLY;INTERVAL=2147483647",
    "FREQ=WEEKLY;BYDAY=MO;BYMONTH=2;BYYEARDAY=366",
]


@pytest.mark.parametrize("rule", HOSTILE)
@pytest.mark.parametrize("start", ["DTSTART;TZID=America/New_York:19700101T000000", "DTSTART:00010101T000000Z"])
def test_no_rule_takes_long_or_brings_very_much(rule: str, start: str) -> None:
    parsed = parse_object(calendar(f"{start}\nRRULE:{rule}\nEXRULE:{rule};BYSETPOS=1"))
    began = time.process_time()
    found = expand_object(parsed, YEARS, today=TODAY)
    # Four seconds is far more than any of them takes, and far less than following one blindly would.
    assert time.process_time() - began < 4
    assert len(found.instances) <= MAX_INSTANCES


def test_of_a_series_that_is_too_long_what_is_next_is_kept() -> None:
    found = expanded("DTSTART:20200101T000000Z\nRRULE:FREQ=HOURLY")
    keys = sorted(instance.key for instance in found.instances)
    assert (found.too_long, found.goes_on, len(keys)) == (True, True, MAX_INSTANCES)
    assert keys[0] == "2026-11-21T00:00:00Z"


def test_a_zone_that_takes_for_ever_to_ask_is_refused() -> None:
    changes = "".join(
        f"BEGIN:STANDARD\nDTSTART:{1900 + number // 12}{number % 12 + 1:02}01T000000\n"
        "TZOFFSETFROM:+0100\nTZOFFSETTO:+0200\nEND:STANDARD\n"
        for number in range(1200)
    )
    zone = f"BEGIN:VTIMEZONE\nTZID:Slow\n{changes}END:VTIMEZONE\n"
    parsed = parse_object(calendar("DTSTART;TZID=Slow:20260601T090000", zone))
    assert parsed.problem == "time zone Slow is written out in more than 1000 changes"


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ("FREQ=DAILY;INTERVAL=0", "RRULE: a rule has the INTERVAL 0"),
        ("FREQ=DAILY;COUNT=0", "RRULE: a rule has the COUNT 0"),
        ("FREQ=DAILY;BYHOUR=24", "RRULE: a rule has the BYHOUR 24"),
        ("FREQ=MONTHLY;BYMONTHDAY=-32", "RRULE: a rule has the BYMONTHDAY -32"),
        ("FREQ=YEARLY;BYMONTH=13", "RRULE: a rule has the BYMONTH 13"),
        ("INTERVAL=2", "RRULE: a rule has no FREQ"),
        ("RSCALE=CHINESE;FREQ=YEARLY", "RRULE: a rule counts by another calendar or moves days that do not exist"),
        ("FREQ=YEARLY;BYMONTH=5L", "RRULE: a rule has the BYMONTH 5L, of another calendar"),
    ],
)
def test_of_a_rule_that_cannot_be_followed_the_start_takes_place(rule: str, problem: str) -> None:
    parsed = parse_object(calendar(f"DTSTART:20261201T090000Z\nRRULE:{rule}"))
    assert parsed.problem == problem
    assert [instance.key for instance in expand_object(parsed, YEARS, today=TODAY).instances] == [""]


@pytest.mark.parametrize("seed", range(4))
def test_random_rules_give_what_dateutil_gives(seed: int) -> None:
    draw = random.Random(seed)  # noqa: S311 - a seed that repeats is the purpose
    for _ in range(60):
        rule = random_rule(draw)
        is_fine = rule.startswith(("FREQ=HOURLY", "FREQ=MINUTELY"))
        after = datetime(draw.randint(2024, 2027), draw.randint(1, 12), draw.randint(1, 28))  # noqa: DTZ001 - on the wall
        start = after - timedelta(days=draw.randint(-9, 20 if is_fine else 2000), minutes=draw.randint(0, 1440))
        end = after + timedelta(days=draw.choice((5, 20) if is_fine else (30, 400, 1000)))

        found = occurrences(read_rule(vRecur.from_ical(rule)), start, after=after, end=end, steps=Steps(10**6))

        peers = takewhile(end.__gt__, rrulestr(rule, dtstart=start).xafter(after, inc=True))
        assert [moment for moment in found if moment >= after] == list(peers), (rule, start, after, end)


@pytest.mark.parametrize("seed", range(5))
def test_random_edits_give_what_recurring_ical_events_gives(seed: int) -> None:
    author = Author(random.Random(seed), TODAY)  # noqa: S311 - a seed that repeats is the purpose
    for _ in range(20):
        event = author.event()
        for _ in range(6):
            event = author.edited(event)
        text = event.text()
        expected = occurrences_of("", icalendar.Calendar.from_ical(text), YEARS.first, YEARS.end)
        found = expand_object(parse_object(text), YEARS, today=TODAY)
        spans = [shown(instance, with_end=True) for instance in found.instances]
        assert sorted(spans) == sorted(f"{one.start}/{one.end}" for one in expected), text


@pytest.mark.parametrize("seed", range(8))
def test_no_text_makes_expanding_raise(seed: int) -> None:
    draw = random.Random(seed)  # noqa: S311 - a seed that repeats is the purpose
    for case in draw.sample(CASES, 25):
        parsed = parse_object(garbled(calendar(case.lines, case.more), draw))
        found = expand_object(parsed, YEARS, today=TODAY)
        assert len(found.instances) <= max(MAX_INSTANCES, len(parsed.events))


def garbled(text: str, draw: random.Random) -> str:
    """The text with some digits, letters and lines changed."""
    characters = list(text)
    for _ in range(draw.randint(1, 8)):
        place = draw.randrange(len(characters))
        if characters[place].isalnum():
            characters[place] = draw.choice("0123456789-TZWY")
    lines = "".join(characters).splitlines(keepends=True)
    if draw.random() < 0.3:
        del lines[draw.randrange(len(lines))]
    return "".join(lines)


def test_a_defined_zone_answers_as_the_real_one_does() -> None:
    lines = "DTSTART;TZID={}:20250101T023000\nRRULE:FREQ=DAILY;BYHOUR=0,1,2,3,12"
    defined = expanded(lines.format("Customized Time Zone"), more=OUTLOOK_ZONE)
    real = expanded(lines.format("Europe/Berlin"))
    assert {instance.key for instance in defined.instances} == {instance.key for instance in real.instances}
    assert ZoneInfo("Europe/Berlin") is zone_or_utc("W. Europe Standard Time")
