"""A search of an account finds by how words begin, follows every change, and sees nothing of others."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.postgres.account_view.search import WINDOW, Found, search
from infra.postgres.word_rules import MAX_TEXT, PARTING, words_of
from tests.support.account_data import AccountData
from tests.support.account_reader import RecordingCursor, account_reader


@pytest.fixture
def own(sql: psycopg.Connection) -> AccountData:
    return AccountData(sql, "Acme")


@pytest.fixture
def reader(database_url: str, own: AccountData) -> Iterator[psycopg.Connection]:
    with account_reader(database_url, own.account_id) as reader:
        yield reader


def fill(data: AccountData) -> None:
    data.person("anna.long@firm.example", "Anna Müller")
    data.person("ben@firm.example", None)
    data.record("Opportunity", "O1", Name="Harbour renewal 2026")
    data.record("Contact", "C1", Name="Carla Renz", Email="carla@firm.example")
    data.record("Task", "T1", Subject="Renewal call")
    data.record("Lead", "L1", Name="Renewal lead")
    data.message("Re: Renewal of the harbour contract", 1)
    data.message("RENEWALS in general", 2)
    data.message(None, 3)


def titles(found: Found) -> set[str]:
    """All that was found."""
    return {
        *(one.address for one in found.people),
        *(one.external_id for one in found.opportunities + found.crm_contacts),
        *(one.subject or "" for one in found.messages),
    }


BOTH = {"Re: Renewal of the harbour contract", "RENEWALS in general"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("renewal", {"O1", *BOTH}),
        ("RENEW", {"O1", *BOTH}),
        ("ren", {"O1", "C1", *BOTH}),
        ("renewal harb", {"O1", "Re: Renewal of the harbour contract"}),
        ("harbour, contract!", {"Re: Renewal of the harbour contract"}),
        ("anna", {"anna.long@firm.example"}),
        ("anna.long@firm", {"anna.long@firm.example"}),
        ("long", {"anna.long@firm.example"}),
        ("firm.example", {"anna.long@firm.example", "ben@firm.example", "C1"}),
        ("carla firm", {"C1"}),
        ("enewal", set()),
        ("100%", set()),
        ("%", set()),
        ("'; --", set()),
        ("", set()),
        ("\0", set()),
        ("\ud800", set()),
    ],
)
def test_words_are_found_by_their_beginning(
    reader: psycopg.Connection, own: AccountData, sql: psycopg.Connection, text: str, expected: set[str]
) -> None:
    fill(own)
    fill(AccountData(sql, "Globex"))
    found = search(reader, own.account_id, text)
    assert titles(found) == expected
    assert len(found.people) + len(found.opportunities) + len(found.crm_contacts) + len(found.messages) == len(expected)


def test_the_newest_with_the_very_word_come_first(reader: psycopg.Connection, own: AccountData) -> None:
    for number in range(5):
        own.message(f"pilots {number}", 100 + number)
        own.message(f"pilot {number}", number)
    found = search(reader, own.account_id, "pilot", limit=7).messages
    assert [one.subject for one in found] == [
        *(f"pilot {number}" for number in (4, 3, 2, 1, 0)),
        *(f"pilots {number}" for number in (4, 3)),
    ]


def test_a_common_word_is_not_looked_through_to_its_end(reader: psycopg.Connection, own: AccountData) -> None:
    own.sql.execute(
        "INSERT INTO mail_messages (account_id, connection_id, identity, thread_id, subject, dated_at, size)"
        " SELECT %s, %s, n::text, %s, 'common ' || n, to_timestamp(n), 1 FROM generate_series(1, 3000) AS n",
        (own.account_id, own.mail, own.thread),
    )
    found = search(reader, own.account_id, "common", limit=5).messages
    assert [one.subject for one in found] == [f"common {number}" for number in (3000, 2999, 2998, 2997, 2996)]
    assert {one.looked_at for one in found} == {WINDOW}


def test_support_within_an_account_searches_nothing(reader: psycopg.Connection, own: AccountData) -> None:
    fill(own)
    reader.cursor_factory = RecordingCursor
    RecordingCursor.asked.clear()
    assert search(reader, own.account_id, "renewal", masked=True) == Found(searched=False)
    assert RecordingCursor.asked == []


def test_what_changes_is_found_by_its_new_words_alone(reader: psycopg.Connection, own: AccountData) -> None:
    fill(own)
    own.sql.execute("UPDATE contacts SET name = 'Dora', named_at = now() WHERE address LIKE 'anna%'")
    own.sql.execute("UPDATE records SET payload = '{\"Name\": \"Pilot\"}' WHERE external_id = 'O1'")
    own.sql.execute("UPDATE mail_messages SET dated_at = now() WHERE subject LIKE 'Re:%'")
    assert titles(search(reader, own.account_id, "müller")) == set()
    assert titles(search(reader, own.account_id, "dora")) == {"anna.long@firm.example"}
    assert titles(search(reader, own.account_id, "pilot")) == {"O1"}
    assert titles(search(reader, own.account_id, "renewal")) == BOTH


_TOLD = """
SELECT account_id, source, word, at, connection_id, key FROM search_words
EXCEPT ALL (
    SELECT account_id, 'message', word, dated_at, 0, id::text
    FROM mail_messages CROSS JOIN LATERAL words_of(subject) AS word
    UNION ALL
    SELECT account_id, 'person', word, 'epoch', 0, id::text
    FROM contacts CROSS JOIN LATERAL words_of(coalesce(name, '') || ' ' || address) AS word
    UNION ALL
    SELECT account_id, kind, word, 'epoch', connection_id, external_id
    FROM records CROSS JOIN LATERAL words_of((payload ->> 'Name') || coalesce(' ' || email, '')) AS word
    WHERE kind IN ('Opportunity', 'Contact') AND deleted_at IS NULL
)
"""


def test_what_goes_takes_its_words_along(own: AccountData) -> None:
    fill(own)
    own.record("Opportunity", "O2", Name="Another one")
    own.sql.execute("UPDATE records SET deleted_at = now() WHERE external_id = 'O1'")
    assert own.sql.execute(_TOLD.encode()).fetchall() == []
    own.sql.execute("UPDATE records SET deleted_at = NULL WHERE external_id = 'O1'")
    assert own.sql.execute(_TOLD.encode()).fetchall() == []
    before = own.sql.execute("SELECT count(*) FROM search_words WHERE key = 'O1'").fetchone()
    assert before == (3,)
    own.sql.execute("DELETE FROM accounts")
    assert own.sql.execute("SELECT * FROM search_words").fetchall() == []


@given(
    st.text(st.sampled_from(PARTING + " aBc1é漢") | st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
)
def test_words_are_parted_in_the_same_way_here_and_there(lent_words: psycopg.Connection, text: str) -> None:
    there = {word for (word,) in lent_words.execute("SELECT words_of(%s)", (text,))}
    lowered = lent_words.execute("SELECT lower(left(word, 40)) FROM unnest(%s::text[]) AS word", (words_of(text),))
    assert {word for (word,) in lowered} == there


@pytest.fixture(scope="module")
def lent_words(lent_database: object) -> Iterator[psycopg.Connection]:
    with lent_database.lend() as url, psycopg.connect(url, autocommit=True) as connection:  # type: ignore[attr-defined]
        yield connection


def test_only_the_beginning_of_a_long_text_is_searched(reader: psycopg.Connection, own: AccountData) -> None:
    own.message("x " * (MAX_TEXT // 2) + "late", 1)
    assert titles(search(reader, own.account_id, "late")) == set()
