"""`calendar.sync`: bring the calendars of one CalDAV connection in step.

    find calendars ─▶ for each that changed ─▶ list changes ─▶ plan ─▶ fetch and commit, 50 objects at a time
                                                    │
                            sync token expired ─────┴──▶ list everything

The token is saved with the last objects it covers. A run that ends early finds the same changes again and skips, by
their etags, those it has already written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from infra.logs import get_logger
from retinue import (
    Completed,
    Connection,
    Exponential,
    Job,
    Outcome,
    Payload,
    PermanentError,
    TransientError,
    minutes,
    seconds,
    servant,
)
from retinue.breaker import Breaker
from retinue.provider import declare_provider
from servants.calendar import store
from servants.calendar.client import DavClient, SignIn
from servants.calendar.discovery import RemoteCalendar, find_calendars
from servants.calendar.events import parse_object
from servants.calendar.faults import ServerFailed, SuspiciousEmptiness, SyncTokenExpired, UnexpectedReply
from servants.calendar.plan import SUSPICIOUS_FROM, Action, Delete, Upsert, plan
from servants.calendar.reports import Bodies, Changes, changes_since, fetch, full_listing
from servants.calendar.store import FetchedObject, StoredCalendar
from servants.calendar.values import zone_or_utc
from servants.web import shown

log = get_logger(__name__)

#: The provider of the connections that this servant syncs.
PROVIDER = "caldav"

# Servers name no limits of their own; a connection's jobs run one at a time.
declare_provider(PROVIDER, breaker=Breaker(failures=3, within=minutes(5), probe_after=seconds(30), longest=minutes(30)))

#: Objects fetched by one request and written by one commit.
BATCH = 50


class CalendarSync(Payload):
    """Which connection to bring in step."""

    connection_id: int


@servant(
    "calendar.sync",
    slots=8,
    timeout=minutes(5),
    # As long as one silent read may take, for only then can the job notice that it should stop.
    grace=seconds(75),
    retry=Exponential(base=5, cap=3600, attempts=10),
    lane="connection_id",
    lane_limit=1,
)
def sync_calendar(job: Job[CalendarSync]) -> Outcome:
    """Fetch what changed in the connection's calendars since the last sync."""
    connection = job.connection(job.payload.connection_id)
    with DavClient(sign_in(connection), stop_if_cancelled=job.stop_if_cancelled, call=connection.call) as dav:
        return Completed(ConnectionSync(job, dav, connection).run())


def sign_in(connection: Connection) -> SignIn:
    """The address and user of a CalDAV connection.

    Raises:
        PermanentError: the connection is another provider's, or lacks one of them.
    """
    if connection.provider != PROVIDER:
        raise PermanentError(f"connection {connection.id} is for {connection.provider!r}, not for {PROVIDER!r}.")
    return SignIn.from_settings(connection.config, connection.credentials)


@dataclass(frozen=True, slots=True)
class Pair:
    """One calendar: as its server describes it, and its row."""

    remote: RemoteCalendar
    row: StoredCalendar

    @property
    def unchanged(self) -> bool:
        if self.remote.can_sync and self.remote.sync_token:
            return self.remote.sync_token == self.row.sync_token
        return self.remote.ctag is not None and self.remote.ctag == self.row.ctag


class ConnectionSync:
    """One run over all calendars of a connection."""

    def __init__(self, job: Job[CalendarSync], dav: DavClient, connection: Connection) -> None:
        self._job = job
        self._dav = dav
        self._connection = connection
        self._tally: Counter[str] = Counter(calendars=0, created=0, changed=0, deleted=0, unreadable=0)
        self._done = self._total = 0
        self._troubles: list[TransientError] = []
        #: Addresses that listed nothing, this time and the last time; what says so twice is believed.
        self._doubts: list[str] = []
        self._doubted = frozenset((job.checkpoint or {}).get("doubted", ()))

    def run(self) -> dict[str, int]:
        """Sync every calendar; how many there are, and how many objects were written and deleted.

        Raises:
            TransientError: some calendar could not be brought in step; the others are.
        """
        pairs = self._save_calendars(find_calendars(self._dav))
        self._tally["calendars"] = len(pairs)
        for pair in pairs:
            if not pair.unchanged:
                self._job.stop_if_cancelled()
                self._sync(pair)
        with self._job.commit() as tx:
            store.mark_synced(tx, [pair.row.id for pair in pairs if pair.unchanged])
            if self._doubts or self._doubted:
                tx.checkpoint({"doubted": self._doubts})
        if self._troubles:
            raise self._troubles[0]
        return dict(self._tally)

    def _save_calendars(self, remotes: Sequence[RemoteCalendar]) -> list[Pair]:
        with self._job.commit() as tx:
            absent = store.absent_calendars(tx, self._connection, [remote.url for remote in remotes])
            if self._believes_absence(remotes, sum(absent.values())):
                self._tally["deleted"] += store.delete_calendars(tx, absent)
            rows = store.save_calendars(tx, self._connection, remotes)
        return [Pair(remote, rows[remote.url]) for remote in remotes]

    def _believes_absence(self, remotes: Sequence[RemoteCalendar], held: int) -> bool:
        home = self._dav.sign_in.url
        if remotes or held < SUSPICIOUS_FROM or home in self._doubted:
            return True
        self._doubt(home, SuspiciousEmptiness(f"lists no calendars though {held} objects are known"))
        return False

    def _sync(self, pair: Pair) -> None:
        try:
            self._follow_or_relist(pair)
        except SuspiciousEmptiness as doubt:
            self._doubt(pair.remote.url, doubt)
        except (ServerFailed, UnexpectedReply) as trouble:
            self._troubles.append(trouble)
        except PermanentError as refusal:
            self._tally["unreadable"] += 1
            self._job.anomaly("calendar_unreadable", calendar=pair.row.id, reason=refusal.message)

    def _doubt(self, url: str, doubt: SuspiciousEmptiness) -> None:
        self._doubts.append(url)
        self._troubles.append(SuspiciousEmptiness(f"{shown(url)} {doubt.message}."))

    def _follow_or_relist(self, pair: Pair) -> None:
        if pair.remote.can_sync and pair.row.sync_token:
            try:
                return self._follow(pair, pair.row.sync_token)
            except SyncTokenExpired:
                log.info("sync_token_expired", calendar=pair.row.id)
        return self._relist(pair)

    def _follow(self, pair: Pair, token: str) -> None:
        for changes in changes_since(self._dav, pair.remote, token):
            with self._job.commit() as tx:
                known = store.known_objects(tx, pair.row, changes.etags.keys() | changes.removed)
            self._apply(pair, changes, plan(changes, known))

    def _relist(self, pair: Pair) -> None:
        changes = full_listing(self._dav, pair.remote)
        with self._job.commit() as tx:
            known = store.known_objects(tx, pair.row)
        self._apply(pair, changes, plan(changes, known, believe_empty=pair.remote.url in self._doubted))

    def _apply(self, pair: Pair, changes: Changes, actions: Sequence[Action]) -> None:
        self._total += len(actions)
        for batch, is_last in _batches(actions):
            self._job.stop_if_cancelled()
            upserts = {action.href: action.new for action in batch if isinstance(action, Upsert)}
            fetched = self._fetch(pair, list(upserts), changes.etags)
            with self._job.commit() as tx:
                written = store.save_objects(tx, pair.row, fetched)
                deleted = store.delete_objects(tx, pair.row, [a.href for a in batch if isinstance(a, Delete)])
                if is_last:
                    store.save_token(tx, pair.row, token=changes.sync_token, ctag=pair.remote.ctag)
            created = sum(upserts[href] for href in written)
            self._tally.update(created=created, changed=len(written) - created, deleted=deleted)
            self._done += len(batch)
            self._job.progress(self._done, self._total)

    def _fetch(self, pair: Pair, hrefs: Sequence[str], etags: Mapping[str, str]) -> list[FetchedObject]:
        bodies = fetch(self._dav, pair.remote.url, hrefs) if hrefs else Bodies()
        for href, reason in bodies.unreadable.items():
            self._tally["unreadable"] += 1
            self._job.anomaly("event_unreadable", calendar=pair.row.id, href=href, reason=reason)
        zone = zone_or_utc(pair.remote.timezone)
        return [
            FetchedObject(body.href, body.etag or etags[body.href], parse_object(body.text, floating_zone=zone))
            for body in bodies.found
        ]


def _batches(actions: Sequence[Action]) -> Iterator[tuple[Sequence[Action], bool]]:
    """The actions in batches, each with whether it is the last; one empty batch where there are none."""
    starts = range(0, len(actions), BATCH) or [0]
    for start in starts:
        yield actions[start : start + BATCH], start == starts[-1]
