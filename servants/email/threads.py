"""Threads: which messages belong together, whatever the order in which they arrive.

Two messages are tied when their headers name a common message identifier (Message-ID, In-Reply-To, References;
RFC 5322 §3.6.4). An answer or forward whose headers name none is, as a last resort, tied by its subject to the messages
of the 30 days before it whose sender it names and which name its own sender. A thread is all that is tied, directly or
through others. Neither tie depends on which message was there first: what arrives later joins threads that were apart.

Deleted messages go on tying others. Every function runs in a commit that holds the connection's mail.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256

from infra.postgres.arrays import moments, numbers, texts
from infra.postgres.texts import storable
from retinue.connection import Connection
from retinue.job import Commit
from servants.email.values import ParsedMessage

#: Identifiers beyond these are left out: the first that References names, and the last, which are the nearest.
MAX_HEADER_IDS = 100

#: How long after a message an answer that names none may be its answer.
SUBJECT_WINDOW = timedelta(days=30)

#: The messages with one subject, nearest in time, that such an answer is compared with.
SUBJECT_CANDIDATES = 100

#: The longest identifier that is kept as it is, in bytes.
_LONGEST_ID = 1000


def header_ids(parsed: ParsedMessage) -> tuple[str, ...]:
    """The message identifiers that a message's headers name, its own first, each once, without angle brackets."""
    references = parsed.references
    if len(references) > MAX_HEADER_IDS:
        references = (references[0], *references[1 - MAX_HEADER_IDS :])
    named = (_header_id(text) for text in (parsed.message_id, parsed.in_reply_to, *references))
    return tuple(dict.fromkeys(name for name in named if name))


def _header_id(text: str | None) -> str | None:
    """An identifier as a key; None for what is none, such as the prose that old clients put into In-Reply-To."""
    bare = storable((text or "").strip().strip("<>"))
    if len(bare.split(maxsplit=1)) != 1:
        return None
    raw = bare.encode()
    return bare if len(raw) <= _LONGEST_ID else f"sha256:{sha256(raw).hexdigest()}"


@dataclass(frozen=True, slots=True)
class Member:
    """A new message as far as its thread is concerned."""

    header_ids: tuple[str, ...]
    dated_at: datetime


@dataclass(slots=True)
class Group:
    """New messages tied by their headers, by their position; and the threads that already hold some of those."""

    members: list[int] = field(default_factory=list)
    header_ids: set[str] = field(default_factory=set)
    threads: set[int] = field(default_factory=set)


class Ties:
    """What is tied to what, directly or through others."""

    def __init__(self) -> None:
        self._parents: dict[Hashable, Hashable] = {}

    def root(self, one: Hashable) -> Hashable:
        """The same for all that is tied together."""
        parents = self._parents
        while (parent := parents.setdefault(one, one)) != one:
            parents[one] = one = parents.setdefault(parent, parent)
        return one

    def tie(self, one: Hashable, other: Hashable) -> None:
        self._parents[self.root(one)] = self.root(other)


def group_by_headers(members: Sequence[Member], known: Mapping[str, int]) -> list[Group]:
    """The new messages in groups, by what their headers name; `known` are threads by identifier."""
    ties = Ties()
    for position, member in enumerate(members):
        for header_id in member.header_ids:
            ties.tie(header_id, ("member", position))
    for header_id, thread_id in known.items():
        ties.tie(header_id, ("thread", thread_id))
    groups: defaultdict[Hashable, Group] = defaultdict(Group)
    for position, member in enumerate(members):
        group = groups[ties.root(("member", position))]
        group.members.append(position)
        group.header_ids.update(member.header_ids)
        group.threads.update(known[header_id] for header_id in member.header_ids if header_id in known)
    return list(groups.values())


_KNOWN = """
SELECT header_id, thread_id FROM thread_keys
WHERE connection_id = %(connection_id)s AND header_id = ANY(%(header_ids)s::text[])
"""


def assign_threads(tx: Commit, connection: Connection, members: Sequence[Member]) -> list[int]:
    """The thread of each new message, made or joined; its counts take the messages in as live ones."""
    named = {header_id for member in members for header_id in member.header_ids}
    params = {"connection_id": connection.id, "header_ids": texts(named)}
    known: dict[str, int] = dict(tx.execute(_KNOWN, params).fetchall())
    groups = group_by_headers(members, known)
    merge_threads(tx, [tuple(group.threads) for group in groups if len(group.threads) > 1])
    thread_ids = _save_threads(tx, connection, groups, members)
    fresh = {
        header_id: thread_id
        for group, thread_id in zip(groups, thread_ids, strict=True)
        for header_id in group.header_ids - known.keys()
    }
    _save_keys(tx, connection, fresh)
    of_member = {m: thread_id for group, thread_id in zip(groups, thread_ids, strict=True) for m in group.members}
    return [of_member[position] for position in range(len(members))]


# MATERIALIZED: numbers are drawn once, for the insert and for the answer.
_SAVE_THREADS = """
WITH grouped AS MATERIALIZED (
    SELECT coalesce(given.id, nextval('threads_id_seq')) AS id,
           first_at, last_at, messages, place
    FROM unnest(%(ids)s::bigint[], %(firsts)s::timestamptz[], %(lasts)s::timestamptz[], %(counts)s::int[])
        WITH ORDINALITY AS given (id, first_at, last_at, messages, place)
), saved AS (
    INSERT INTO threads AS thread (id, account_id, connection_id, first_at, last_at, messages)
    SELECT id, %(account_id)s, %(connection_id)s, first_at, last_at, messages FROM grouped
    ON CONFLICT (id) DO UPDATE
    SET first_at = least(thread.first_at, excluded.first_at), last_at = greatest(thread.last_at, excluded.last_at),
        messages = thread.messages + excluded.messages
)
SELECT id FROM grouped ORDER BY place
"""


def _save_threads(tx: Commit, connection: Connection, groups: Sequence[Group], members: Sequence[Member]) -> list[int]:
    dates = [[members[position].dated_at for position in group.members] for group in groups]
    params = {
        "account_id": connection.account_id,
        "connection_id": connection.id,
        "ids": numbers(min(group.threads, default=None) for group in groups),
        "firsts": moments(map(min, dates)),
        "lasts": moments(map(max, dates)),
        "counts": numbers(map(len, dates)),
    }
    return [thread_id for (thread_id,) in tx.execute(_SAVE_THREADS, params).fetchall()]


_SAVE_KEYS = """
INSERT INTO thread_keys (connection_id, account_id, header_id, thread_id)
SELECT %(connection_id)s, %(account_id)s, fresh.*
FROM unnest(%(header_ids)s::text[], %(thread_ids)s::bigint[]) AS fresh
"""


def _save_keys(tx: Commit, connection: Connection, fresh: Mapping[str, int]) -> None:
    if not fresh:
        return
    params = {
        "account_id": connection.account_id,
        "connection_id": connection.id,
        "header_ids": texts(fresh),
        "thread_ids": numbers(fresh.values()),
    }
    tx.execute(_SAVE_KEYS, params)


# Both ways round: new messages that answer older ones, and older answers to the new messages. A date that many messages
# share, or a subject, costs no more than its nearest candidates.
_TIED_BY_SUBJECT = """
WITH fresh AS MATERIALIZED (
    SELECT id, thread_id, subject_key, dated_at, orphaned FROM mail_messages
    WHERE id = ANY(%(ids)s::bigint[]) AND subject_key IS NOT NULL
), pairs (answer_id, answer_thread, parent_id, parent_thread) AS (
    SELECT fresh.id, fresh.thread_id, parent.id, parent.thread_id
    FROM fresh CROSS JOIN LATERAL (
        SELECT id, thread_id FROM mail_messages
        WHERE connection_id = %(connection_id)s AND subject_key = fresh.subject_key
          AND dated_at BETWEEN fresh.dated_at - %(window)s AND fresh.dated_at AND id <> fresh.id
        ORDER BY dated_at DESC LIMIT %(candidates)s
    ) AS parent
    WHERE fresh.orphaned
    UNION ALL
    SELECT answer.id, answer.thread_id, fresh.id, fresh.thread_id
    FROM fresh CROSS JOIN LATERAL (
        SELECT id, thread_id FROM mail_messages
        WHERE connection_id = %(connection_id)s AND subject_key = fresh.subject_key AND orphaned
          AND dated_at BETWEEN fresh.dated_at AND fresh.dated_at + %(window)s AND id <> fresh.id
        ORDER BY dated_at LIMIT %(candidates)s
    ) AS answer
)
SELECT DISTINCT answer_thread, parent_thread FROM pairs
WHERE answer_thread <> parent_thread
  AND EXISTS (
      SELECT FROM message_participants AS sender JOIN message_participants AS named USING (contact_id)
      WHERE sender.message_id = pairs.answer_id AND sender.role = 'from' AND named.message_id = pairs.parent_id
  )
  AND EXISTS (
      SELECT FROM message_participants AS sender JOIN message_participants AS named USING (contact_id)
      WHERE sender.message_id = pairs.parent_id AND sender.role = 'from' AND named.message_id = pairs.answer_id
  )
"""


def join_by_subject(tx: Commit, connection: Connection, message_ids: Iterable[int]) -> None:
    """Join the threads that the new messages, now written with their participants, tie by subject alone."""
    params = {
        "connection_id": connection.id,
        "ids": numbers(message_ids),
        "window": SUBJECT_WINDOW,
        "candidates": SUBJECT_CANDIDATES,
    }
    merge_threads(tx, tx.execute(_TIED_BY_SUBJECT, params).fetchall())


_MOVE_MESSAGES = """
UPDATE mail_messages AS message SET thread_id = joined.kept, updated_at = now()
FROM unnest(%(gone)s::bigint[], %(kept)s::bigint[]) AS joined (gone, kept)
WHERE message.thread_id = joined.gone
"""

_MOVE_KEYS = """
UPDATE thread_keys AS header SET thread_id = joined.kept
FROM unnest(%(gone)s::bigint[], %(kept)s::bigint[]) AS joined (gone, kept)
WHERE header.thread_id = joined.gone
"""

_FOLD_THREADS = """
WITH gone AS (
    DELETE FROM threads USING unnest(%(gone)s::bigint[], %(kept)s::bigint[]) AS joined (gone, kept)
    WHERE threads.id = joined.gone
    RETURNING joined.kept, threads.first_at, threads.last_at, threads.messages
), added AS (
    SELECT kept, min(first_at) AS first_at, max(last_at) AS last_at, sum(messages) AS messages FROM gone GROUP BY kept
)
UPDATE threads AS thread
SET first_at = least(thread.first_at, added.first_at), last_at = greatest(thread.last_at, added.last_at),
    messages = thread.messages + added.messages
FROM added WHERE thread.id = added.kept
"""


def merge_threads(tx: Commit, joined: Iterable[tuple[int, ...]]) -> None:
    """Make one thread, the lowest, of those that stand together in `joined`."""
    kept = _lowest(joined)
    if not kept:
        return
    params = {"gone": numbers(kept), "kept": numbers(kept.values())}
    for statement in (_MOVE_MESSAGES, _MOVE_KEYS, _FOLD_THREADS):
        tx.execute(statement, params)


def _lowest(joined: Iterable[tuple[int, ...]]) -> dict[int, int]:
    """For every thread that goes, the one that stays in its place."""
    ties = Ties()
    together = list(joined)
    for first, *others in together:
        for other in others:
            ties.tie(first, other)
    sets: defaultdict[Hashable, set[int]] = defaultdict(set)
    for thread_id in {thread_id for threads in together for thread_id in threads}:
        sets[ties.root(thread_id)].add(thread_id)
    return {thread_id: min(tied) for tied in sets.values() for thread_id in tied if thread_id != min(tied)}


_COUNT = """
UPDATE threads AS thread SET messages = thread.messages + change.more
FROM unnest(%(ids)s::bigint[], %(mores)s::int[]) AS change (id, more)
WHERE thread.id = change.id
"""


def count_threads(tx: Commit, changes: Mapping[int, int]) -> None:
    """Note how many more live messages each thread has, or fewer where negative."""
    tx.execute(_COUNT, {"ids": numbers(changes), "mores": numbers(changes.values())})
