"""The words that people search an account's data by, kept by triggers beside what they are words of.

An index of ordinary columns that begins with the account, and no index of texts: row-level security lets an account's
own session look through an index only with operators that tell nothing of other accounts' rows, and those that search
texts are none of them. It also finds the newest first, however many have a word, and never looks at another account's.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Table, Text

from infra.postgres.schema import ACCOUNT_TABLES, metadata, moment_column, name_column
from infra.postgres.word_rules import MAX_TEXT, MAX_WORD, PARTING

# No foreign keys: the triggers below take the words along.
search_words = Table(
    "search_words",
    metadata,
    Column("account_id", BigInteger, nullable=False),
    # message, person, or the kind of a record.
    name_column("source"),
    # Lower-case.
    name_column("word"),
    # Of a message, its date; of all others the epoch, for theirs change.
    moment_column("at", nullable=False),
    # Of a record, its connection; else 0.
    Column("connection_id", BigInteger, nullable=False),
    # A record's external ID, or the ID of a message or contact in digits.
    Column("key", Text(collation="C"), nullable=False),
)
# A word that a text has twice is there twice: to look for that took a tenth of the time of writing the record.
Index("search_words_by_word", *search_words.c)

_QUOTED = "E'" + "".join(f"\\u{ord(character):04x}" for character in PARTING) + "'"

_MESSAGE = "'message', {0}.subject, {0}.dated_at, 0::bigint, {0}.id::text"
_PERSON = "'person', coalesce({0}.name, '') || ' ' || {0}.address, timestamptz 'epoch', 0::bigint, {0}.id::text"
_RECORD = (
    "{0}.kind, {0}.sort_name || coalesce(' ' || {0}.email, ''), timestamptz 'epoch', {0}.connection_id, {0}.external_id"
)

#: Whether a record lives and has words.
_SEARCHED = "{0}.sort_name IS NOT NULL AND {0}.deleted_at IS NULL"

#: By table: its texts, which of its rows have words, and what of a row these depend on.
_TEXTS = {
    "mail_messages": (_MESSAGE, "{0}.subject IS NOT NULL", ("{0}.subject", "{0}.dated_at")),
    "contacts": (_PERSON, "true", ("{0}.name", "{0}.address")),
    "records": (_RECORD, _SEARCHED, ("{0}.sort_name", "{0}.email", f"({_SEARCHED})")),
}


def _words_of(table: str, rows: str) -> str:
    """The words of the rows of `rows`, which has the columns of `table`."""
    row, which, _ = _TEXTS[table]
    return f"""SELECT own.account_id, told.source, word, told.at, told.connection_id, told.key
    FROM {rows} AS own
    CROSS JOIN LATERAL (SELECT {row.format("own")}) AS told (source, said, at, connection_id, key)
    CROSS JOIN LATERAL words_of(told.said) AS word
    WHERE {which.format("own")}"""  # noqa: S608 - of constants of this file


def _function(table: str) -> str:
    """What adds the words of new rows and takes away those of old ones."""
    return f"""CREATE FUNCTION word_{table}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO search_words
        {_words_of(table, "fresh")};
        RETURN NULL;
    END IF;
    DELETE FROM search_words AS held USING (
        {_words_of(table, "gone")}
    ) AS lost
    WHERE (held.account_id, held.source, held.word, held.at, held.connection_id, held.key)
        = (lost.account_id, lost.source, lost.word, lost.at, lost.connection_id, lost.key);
    RETURN NULL;
END $$"""  # noqa: S608 - of constants of this file


def _row_function(table: str) -> str:
    """The same of one row that was changed, which is seldom."""
    return f"""CREATE FUNCTION reword_{table}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM search_words AS held USING (
        {_words_of(table, "(SELECT OLD.*)")}
    ) AS lost
    WHERE (held.account_id, held.source, held.word, held.at, held.connection_id, held.key)
        = (lost.account_id, lost.source, lost.word, lost.at, lost.connection_id, lost.key);
    INSERT INTO search_words
    {_words_of(table, "(SELECT NEW.*)")};
    RETURN NULL;
END $$"""  # noqa: S608 - of constants of this file


def _differs(table: str) -> str:
    """Whether a row's words may have changed."""
    row = ", ".join(_TEXTS[table][2])
    return f"({row.format('OLD')}) IS DISTINCT FROM ({row.format('NEW')})"


#: What SQLAlchemy has no words for.
STATEMENTS = (
    f"""CREATE FUNCTION words_of(said text) RETURNS SETOF text LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 6 AS $$
SELECT left(word, {MAX_WORD})
FROM string_to_table(translate(lower(left(said, {MAX_TEXT})), {_QUOTED}, repeat(' ', {len(PARTING)})), ' ') AS word
WHERE word <> ''
$$""",  # noqa: S608 - of constants of this file
    *(
        statement
        for table in _TEXTS
        for statement in (
            _function(table),
            _row_function(table),
            f"CREATE TRIGGER word_new AFTER INSERT ON {table} REFERENCING NEW TABLE AS fresh"
            f" FOR EACH STATEMENT EXECUTE FUNCTION word_{table}()",
            f"CREATE TRIGGER word_old AFTER DELETE ON {table} REFERENCING OLD TABLE AS gone"
            f" FOR EACH STATEMENT EXECUTE FUNCTION word_{table}()",
            f"CREATE TRIGGER word_changed AFTER UPDATE ON {table}"
            f" FOR EACH ROW WHEN ({_differs(table)}) EXECUTE FUNCTION reword_{table}()",
        )
    ),
)

ACCOUNT_TABLES += ["search_words"]
