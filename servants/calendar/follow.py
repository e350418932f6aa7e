"""One calendar brought in step.

move the window ─▶ list changes ─▶ plan ─▶ fetch and commit, 50 objects at a time ─▶ the token with the last of them
                        │
 sync token expired, or listing refused or stuck ─▶ list everything ─▶ list etags, where that does not work either
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, TypeVar

from infra.logs import get_logger
from retinue import Job
from servants.calendar import store
from servants.calendar.addresses import MAX_BYTES, SHOWN_LENGTH
from servants.calendar.client import DavClient
from servants.calendar.discovery import RemoteCalendar
from servants.calendar.event_store import rewrite
from servants.calendar.events import ParsedObject, expand_object, parse_object
from servants.calendar.faults import (
    Denied,
    ListingStuck,
    Missing,
    Refused,
    ReplyTooLarge,
    ServerFailed,
    SyncTokenExpired,
    TooMuchAsked,
    UnexpectedReply,
)
from servants.calendar.first_reading import FirstReading
from servants.calendar.instances import finish_window, window_around
from servants.calendar.plan import Action, Delete, Upsert, plan
from servants.calendar.reports import Bodies, Body, Changes, changes_since, fetch, list_etags, members_between
from servants.calendar.series import Expansion, Window
from servants.calendar.store import FetchedObject, HeldObject, StoredCalendar
from servants.calendar.zones import zone_or_utc
from servants.web import shown

log = get_logger(__name__)

T = TypeVar("T")

#: Objects fetched by one request and written by one commit.
BATCH = 50

#: A commit is closed early once it has this many instances to write.
COMMIT_INSTANCES = 5_000

#: What a calendar that was never synced brings first: what takes place this close to today.
RECENT = timedelta(weeks=4)

#: What servers answer whose sync-collection (RFC 6578) does not work, whatever they say of themselves.
_CANNOT_LIST = (Denied, Refused, TooMuchAsked, ListingStuck, SyncTokenExpired)

#: The same of servers that cannot search calendars by time; it spares them nothing but the order.
_CANNOT_SEARCH = (Denied, Refused, Missing, ReplyTooLarge, ServerFailed, UnexpectedReply)


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


@dataclass(slots=True)
class Run:
    """One job over all calendars of a connection: what it works with, and how far it is."""

    job: Job[Any]
    dav: DavClient
    today: date
    counts: Counter[str] = field(default_factory=Counter)
    done: int = 0
    total: int = 0
    #: The connection's import, until everything was in once.
    reading: FirstReading | None = None

    @property
    def window(self) -> Window:
        return window_around(self.today)

    def plan_more(self, count: int) -> None:
        self.total += count
        if self.reading is not None and count:
            self.reading.tell(self.total, self.done)

    def progress(self, done: int) -> None:
        self.done += done
        self.job.progress(self.done, self.total)


class Follower:
    """One calendar's part of a run."""

    def __init__(self, run: Run, pair: Pair) -> None:
        self._run = run
        self._job = run.job
        self._pair = pair
        self._zone = zone_or_utc(pair.remote.timezone)
        #: Whether something is to be asked for again, which the token must not pass.
        self._waiting = False

    def move_window(self) -> None:
        """Follow what recurs up to the end of today's window, and forget what is before it; once a day."""
        pair, window = self._pair, self._run.window
        if pair.row.expanded_until is not None and pair.row.expanded_until >= window.end:
            return
        after = 0
        while held := self._held(after):
            self._job.stop_if_cancelled()
            read = ((item.id, self._read(item.raw)) for item in held)
            for portion in _by_weight(read, lambda item: len(item[1][1].instances)):
                with self._job.commit() as tx:
                    rewrite(tx, dict(portion), account_id=pair.row.account_id, calendar_id=pair.row.id)
            after = held[-1].id
        with self._job.commit() as tx:
            finish_window(tx, pair.row.id, window)

    def _held(self, after: int) -> list[HeldObject]:
        with self._job.commit() as tx:
            return store.objects_to_expand(tx, self._pair.row, after=after, limit=BATCH)

    def take_recent(self) -> None:
        """Bring what takes place about today, before all the rest."""
        today = self._run.today
        try:
            changes = members_between(self._run.dav, self._pair.remote, today - RECENT, today + RECENT)
        except _CANNOT_SEARCH as error:
            # It comes with all the rest.
            log.info("recent_events_not_listed", calendar=self._pair.row.id, reason=error.message)
            return
        self._apply(changes, plan(changes, self._known(changes.etags)))

    def bring_in_step(self, *, believe_empty: bool) -> None:
        """Follow the changes since the last time, or list everything.

        Raises:
            SuspiciousEmptiness: nothing is listed though much is held, and `believe_empty` is not set.
            TransientError, PermanentError: the server cannot or will not tell; see `servants.calendar.faults`.
        """
        token = self._pair.row.sync_token
        if self._pair.remote.can_sync and token:
            try:
                return self._follow(token)
            except SyncTokenExpired:
                log.info("sync_token_expired", calendar=self._pair.row.id)
            except _CANNOT_LIST as error:
                log.info("changes_not_listed", calendar=self._pair.row.id, reason=error.message)
        return self._relist(believe_empty=believe_empty)

    def _follow(self, token: str) -> None:
        for changes in changes_since(self._run.dav, self._pair.remote, token):
            self._tell_left_out(changes)
            self._apply(changes, plan(changes, self._known(changes.etags.keys() | changes.removed)), keep_token=True)

    def _relist(self, *, believe_empty: bool) -> None:
        known = self._known()
        listed = self._listed_in_pages(known) if self._pair.remote.can_sync else None
        changes = listed or list_etags(self._run.dav, self._pair.remote)
        self._tell_left_out(changes)
        actions: Sequence[Action] = plan(changes, known, believe_empty=believe_empty)
        if listed is not None:
            # All else was written page by page; a member without etag would be fetched again.
            actions = [action for action in actions if isinstance(action, Delete)]
        self._apply(changes, actions, keep_token=changes.complete)
        if not changes.complete:
            url = shown(self._pair.remote.url)
            raise TooMuchAsked(f"PROPFIND {url}: the server cuts the listing short, so that deletions cannot be told.")

    def _listed_in_pages(self, known: dict[str, str]) -> Changes | None:
        """Everything by sync-collection, each page written as it comes and added to `known`; None where that fails.

        Deletions wait for the end of the listing, and so does the token.
        """
        listed: dict[str, str] = {}
        left_out: set[str] = set()
        token = None
        try:
            for page in changes_since(self._run.dav, self._pair.remote, ""):
                self._apply(page, plan(Changes(page.etags), known))
                listed |= page.etags
                left_out |= page.left_out
                known |= page.etags
                for href in page.removed:
                    listed.pop(href, None)
                token = page.sync_token
        except _CANNOT_LIST as error:
            log.info("sync_collection_failed", calendar=self._pair.row.id, reason=error.message)
            return None
        return Changes(listed, sync_token=token, complete=True, left_out=frozenset(left_out))

    def _known(self, hrefs: Iterable[str] | None = None) -> dict[str, str]:
        with self._job.commit() as tx:
            return store.known_objects(tx, self._pair.row, hrefs)

    def _apply(self, changes: Changes, actions: Sequence[Action], *, keep_token: bool = False) -> None:
        """Do all of it; `keep_token` says that the calendar is then in step up to the token of `changes`."""
        if not actions and not keep_token:
            return
        self._run.plan_more(len(actions))
        for batch, is_last in _marked(_batches(actions)):
            self._job.stop_if_cancelled()
            upserts = {action.href: action.new for action in batch if isinstance(action, Upsert)}
            deletes = [action.href for action in batch if isinstance(action, Delete)]
            for portion, ends_batch in _marked(self._portions(list(upserts), changes.etags)):
                with self._job.commit() as tx:
                    written = store.save_objects(tx, self._pair.row, portion)
                    deleted = store.delete_objects(tx, self._pair.row, deletes if ends_batch else [])
                    if keep_token and is_last and ends_batch and not self._waiting:
                        store.save_token(tx, self._pair.row, token=changes.sync_token, ctag=self._pair.remote.ctag)
                    if self._run.reading is not None:
                        self._run.reading.advance(tx, len(portion))
                created = sum(upserts[href] for href in written)
                self._run.counts.update(created=created, changed=len(written) - created, deleted=deleted)
            self._run.progress(len(batch))

    def _portions(self, hrefs: Sequence[str], etags: Mapping[str, str]) -> Iterator[list[FetchedObject]]:
        """The objects, a commit's worth at a time: memory holds no more instances than that."""
        fetched = (
            FetchedObject(body.href, body.etag or etags[body.href], *self._read(body.text, told=body.href))
            for body in self._fetch(hrefs)
        )
        return _by_weight(fetched, lambda item: len(item.expansion.instances))

    def _fetch(self, hrefs: Sequence[str]) -> list[Body]:
        bodies = fetch(self._run.dav, self._pair.remote.url, hrefs) if hrefs else Bodies()
        self._waiting |= bool(bodies.waiting)
        for href, reason in bodies.unreadable.items():
            self._tell_unreadable(href, reason)
        return bodies.found

    def _tell_left_out(self, changes: Changes) -> None:
        for href in sorted(changes.left_out):
            self._tell_unreadable(href[:SHOWN_LENGTH], f"its path is longer than {MAX_BYTES:,} bytes")

    def _tell_unreadable(self, href: str, reason: str) -> None:
        self._run.counts["unreadable"] += 1
        self._job.anomaly("event_unreadable", calendar=self._pair.row.id, href=href, reason=reason)

    def _read(self, text: str, *, told: str | None = None) -> tuple[ParsedObject, Expansion]:
        """An object's text and what takes place of it; a series that is too long is told about at the href `told`."""
        parsed = parse_object(text, floating_zone=self._zone)
        expansion = expand_object(parsed, self._run.window, today=self._run.today)
        if expansion.too_long and told is not None:
            found = len(expansion.instances)
            self._job.anomaly("series_too_long", calendar=self._pair.row.id, href=told, instances=found)
        return parsed, expansion


def _batches(actions: Sequence[Action]) -> Iterator[Sequence[Action]]:
    """The actions in batches; one empty batch where there are none."""
    for start in range(0, len(actions), BATCH) or [0]:
        yield actions[start : start + BATCH]


def _marked(items: Iterable[T]) -> Iterator[tuple[T, bool]]:
    """Each item with whether it is the last."""
    waiting = iter(items)
    item = next(waiting, None)
    while item is not None:
        following = next(waiting, None)
        yield item, following is None
        item = following


def _by_weight(items: Iterable[T], weight: Callable[[T], int]) -> Iterator[list[T]]:
    """The items in portions that are closed once they weigh enough; one empty portion where there are none."""
    portion: list[T] = []
    weighs = 0
    for item in items:
        if weighs >= COMMIT_INSTANCES:
            yield portion
            portion, weighs = [], 0
        portion.append(item)
        weighs += weight(item)
    yield portion
