"""What a page of an account asks answers soon in an account of a million records and messages, and reads few rows.

`make proof-account-pages` builds the large one; `ROWS` is how many records and how many messages it has. All is asked
through a session that row-level security confines to the account, which keeps conditions away from indexes that it
does not trust: what is fast as the tables' owner need not be fast there.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from statistics import median, quantiles

import psycopg
import pytest

from infra.postgres.account_view.activities import activities_of_opportunity
from infra.postgres.account_view.connections import view_connection, view_connections
from infra.postgres.account_view.crm_contacts import (
    CrmContactOrder,
    crm_contacts_of_person,
    view_crm_contact,
    view_crm_contacts,
)
from infra.postgres.account_view.opportunities import OpportunityOrder, view_opportunities, view_opportunity
from infra.postgres.account_view.paging import token_of
from infra.postgres.account_view.people import PeopleOrder, view_people, view_person
from infra.postgres.account_view.search import search
from infra.postgres.account_view.timeline import view_timeline
from retinue.testing.lent_database import LentDatabase
from tests.support.account_reader import RecordingCursor, account_reader, masked_reader
from tests.support.account_site import browsers, open_page, paths, timed
from tests.support.large_account import LargeAccount, build_account
from tests.support.plans import Read, explain_text

#: Enough that reading all would be seen, and little enough for every run of the tests.
SMALL = 50_000

#: Rows that one query may read of a table: a page, with what is joined to its lines, or what a search looks through.
MOST_ROWS = 2_500

P95_SECONDS = 0.150

#: How often each is asked by the proof.
TIMES = 60


@dataclass
class Site:
    """Two accounts with the same people, and a reader of the first."""

    url: str
    reader: psycopg.Connection
    account: LargeAccount
    masked: bool = False
    dice: random.Random = field(default_factory=lambda: random.Random(7))  # noqa: S311 - the same in every run

    @property
    def number(self) -> int:
        """Of something, any."""
        return self.dice.randrange(self.account.rows)

    @property
    def person(self) -> int:
        """Somebody; one time in four who takes part in everything, or in a lot."""
        people = self.account.people
        return people[self.dice.choice((0, self.dice.randrange(11), *(self.dice.randrange(len(people)),) * 6))]

    @property
    def day(self) -> str:
        return f"202{self.dice.randrange(3, 7)}-{self.dice.randrange(1, 13):02}-{self.dice.randrange(1, 29):02}"

    def share(self, kind: str) -> str:
        """The ID of some record of this kind."""
        shares = {"Opportunity": 15, "Contact": 10}
        return f"{kind}{self.dice.randrange(self.account.rows * shares[kind] // 100)}"

    @property
    def moment(self) -> datetime:
        return datetime(2023, 6, 1, tzinfo=UTC) + timedelta(minutes=self.dice.randrange(1_300_000))


def _opportunities_by_change(site: Site) -> object:
    after = token_of(1_700_000_000_000_000 + site.number * 50_000, 0, "")
    return view_opportunities(site.reader, site.account.account_id, after=after)


def _opportunities_by_close(site: Site) -> object:
    after = token_of(site.day, 0, "")
    return view_opportunities(site.reader, site.account.account_id, order=OpportunityOrder.CLOSE, after=after)


def _activities(site: Site) -> object:
    on = f"Opportunity{site.dice.randrange(max(1, site.account.rows // 100))}"
    return activities_of_opportunity(site.reader, site.account.account_id, site.account.org, on)


def _crm_contacts_by_change(site: Site) -> object:
    after = token_of(1_700_000_000_000_000 + site.number * 30_000, 0, "")
    return view_crm_contacts(site.reader, site.account.account_id, after=after)


def _crm_contacts_by_name(site: Site) -> object:
    after = token_of(f"contact family{site.number}", 0, "")
    return view_crm_contacts(site.reader, site.account.account_id, order=CrmContactOrder.NAME, after=after)


def _people_by_last_seen(site: Site) -> object:
    after = token_of(site.moment + timedelta(days=300), 0)
    return view_people(site.reader, site.account.account_id, after=after)


def _people_by_name(site: Site) -> object:
    name = site.dice.choice(("anna", "ben", "carla", "dmitri", "eva"))
    after = token_of(f"{name} family{site.number}", 0)
    return view_people(site.reader, site.account.account_id, order=PeopleOrder.NAME, after=after)


def _timeline_deep(site: Site) -> object:
    moment = site.moment
    after = token_of(moment, 0, moment, 0, moment.date().isoformat(), 0, "")
    return view_timeline(site.reader, site.account.account_id, site.person, after=after)


def _search(site: Site, text: str) -> object:
    return search(site.reader, site.account.account_id, text, masked=site.masked)


#: Everything that a page asks, by its name.
QUERIES: dict[str, Callable[[Site], object]] = {
    "connections": lambda site: view_connections(site.reader, site.account.account_id),
    "connection": lambda site: view_connection(site.reader, site.account.account_id, site.account.mail),
    "opportunities, newest change": lambda site: view_opportunities(site.reader, site.account.account_id),
    "opportunities by change, deep": _opportunities_by_change,
    "opportunities by close date, deep": _opportunities_by_close,
    "opportunity": lambda site: view_opportunity(
        site.reader, site.account.account_id, site.account.org, site.share("Opportunity")
    ),
    "activities of an opportunity": _activities,
    "crm contacts by change, deep": _crm_contacts_by_change,
    "crm contacts by name, deep": _crm_contacts_by_name,
    "crm contact": lambda site: view_crm_contact(
        site.reader, site.account.account_id, site.account.org, site.share("Contact")
    ),
    "crm contacts of a person": lambda site: crm_contacts_of_person(site.reader, site.account.account_id, site.person),
    "people, last seen": lambda site: view_people(site.reader, site.account.account_id),
    "people by last seen, deep": _people_by_last_seen,
    "people by name, deep": _people_by_name,
    "person": lambda site: view_person(site.reader, site.account.account_id, site.person),
    "timeline": lambda site: view_timeline(site.reader, site.account.account_id, site.person),
    "timeline of the busiest": lambda site: view_timeline(site.reader, site.account.account_id, site.account.people[0]),
    "timeline, deep": _timeline_deep,
    "search: a number": lambda site: _search(site, str(site.number)),
    "search: a prefix": lambda site: _search(site, str(site.number)[:2]),
    "search: a letter": lambda site: _search(site, site.dice.choice("rmcpfd")),
    "search: a word in half of all": lambda site: _search(site, "renewal"),
    "search: two words": lambda site: _search(site, f"renewal firm{site.dice.randrange(1000)}"),
    "search: two common words": lambda site: _search(site, "renewal zebra"),
    "search: a person's address": lambda site: _search(
        site, f"person{site.dice.randrange(len(site.account.people))}@firm"
    ),
    "search: nothing": lambda site: _search(site, "xylophone"),
}


def site_of(lent_database: LentDatabase, rows: int) -> Iterator[Site]:
    with ExitStack() as stack:
        url = stack.enter_context(lent_database.server.fresh_database(lent_database.template))
        sql = stack.enter_context(psycopg.connect(url, autocommit=True))
        account = build_account(sql, "Large", rows)
        # Another with the same people, names and IDs at the providers.
        build_account(sql, "Other", min(rows, 20_000))
        sql.execute("VACUUM ANALYZE")
        yield Site(url, stack.enter_context(account_reader(url, account.account_id)), account)


@pytest.fixture(scope="module")
def small_masked(small: Site) -> Iterator[Site]:
    with masked_reader(small.url, small.account.account_id) as reader:
        yield replace(small, reader=reader, masked=True)


@pytest.fixture(scope="module")
def small(lent_database: LentDatabase) -> Iterator[Site]:
    yield from site_of(lent_database, SMALL)


@pytest.mark.parametrize("name", QUERIES)
def test_no_query_reads_more_than_a_page_needs(small: Site, name: str) -> None:
    assert _read_too_much(small, name) == []


@pytest.mark.parametrize("name", [name for name in QUERIES if "by name" not in name])
def test_nor_does_support_that_sees_it_masked(small_masked: Site, name: str) -> None:
    assert _read_too_much(small_masked, name) == []


def _read_too_much(site: Site, name: str) -> list[Read]:
    """What was read beyond a page by any of some askings, each of which must ask something."""
    too_much: list[Read] = []
    site.reader.cursor_factory = RecordingCursor
    for _ in range(8):
        RecordingCursor.asked.clear()
        QUERIES[name](site)
        asked = list(RecordingCursor.asked)
        assert bool(asked) is not (site.masked and name.startswith("search"))
        for query, params in asked:
            reads = explain_text(site.reader, query, params)
            too_much += [one for one in reads if one.rows > MOST_ROWS or (one.node == "Seq Scan" and one.rows > 500)]
    return too_much


@pytest.mark.proof
@pytest.mark.timeout(7200)
def test_a_large_account_is_shown_at_once(lent_database: LentDatabase) -> None:
    rows = int(os.environ.get("ROWS", "1000000"))
    for site in site_of(lent_database, rows):
        print(f"\n{rows:,} records, {rows:,} messages")  # noqa: T201 - what the proof is run for
        times, unguarded = _queries(site)
        cost = sum(map(median, times.values())) / sum(map(median, unguarded.values()))
        print(f"Row-level security on: {cost:.2f} times the time of the same queries by the tables' owner")  # noqa: T201
        for found in (times, _pages(site)):
            lines = [_line(name, one) for name, one in sorted(found.items(), key=lambda one: -_p95(one[1]))]
            print("\n".join(lines))  # noqa: T201
            assert {name: _p95(one) for name, one in found.items() if _p95(one) >= P95_SECONDS} == {}


def _queries(site: Site) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """The times of each query by a member, and by the owner, for whom there is no policy; in turn, of the same."""
    times: dict[str, list[float]] = {name: [] for name in QUERIES}
    unguarded: dict[str, list[float]] = {name: [] for name in QUERIES}
    with psycopg.connect(site.url, autocommit=True) as owner:
        for _ in range(TIMES):
            for name, ask in QUERIES.items():
                state = site.dice.getstate()
                times[name].append(timed(partial(ask, site)))
                site.dice.setstate(state)
                unguarded[name].append(timed(partial(ask, replace(site, reader=owner))))
    return times, unguarded


def _pages(site: Site) -> dict[str, list[float]]:
    """The times of whole pages, for a member and masked."""
    found: dict[str, list[float]] = {}
    with browsers(site.url, site.account) as clients:
        for _ in range(TIMES):
            for who, client in clients.items():
                for name, path in paths(site.account, site.dice).items():
                    found.setdefault(f"page: {name} ({who})", []).append(timed(partial(open_page, client, path)))
    return found


def test_every_page_of_a_large_account_opens(small: Site) -> None:
    with browsers(small.url, small.account) as clients:
        for client in clients.values():
            for path in paths(small.account, small.dice).values():
                open_page(client, path)


def _p95(found: Sequence[float]) -> float:
    return quantiles(found, n=20)[-1]


def _line(name: str, found: Sequence[float]) -> str:
    middle = quantiles(found, n=2)[0]
    return f"{1000 * middle:8.1f} ms {1000 * _p95(found):8.1f} ms p95 {1000 * max(found):8.1f} ms at most  {name}"
