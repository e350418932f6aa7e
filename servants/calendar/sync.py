"""`calendar.sync`: bring the calendars of one CalDAV connection in step.

    find calendars ─▶ move the window of each, once a day ─▶ bring in step each that changed

A calendar's token is saved with the last objects it covers. A run that ends early finds the same changes again and
skips, by their etags, those it has already written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date

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
from servants.calendar.addresses import MAX_BYTES, SHOWN_LENGTH, is_too_long
from servants.calendar.client import DavClient, SignIn
from servants.calendar.discovery import RemoteCalendar, find_calendars
from servants.calendar.faults import ServerFailed, SuspiciousEmptiness, UnexpectedReply
from servants.calendar.first_reading import FirstReading
from servants.calendar.follow import Follower, Pair, Run
from servants.calendar.instances import today
from servants.calendar.plan import SUSPICIOUS_FROM
from servants.web import shown

#: The provider of the connections that this servant syncs.
PROVIDER = "caldav"

# Servers name no limits of their own; a connection's jobs run one at a time.
declare_provider(PROVIDER, breaker=Breaker(failures=3, within=minutes(5), probe_after=seconds(30), longest=minutes(30)))


class CalendarSync(Payload):
    """Which connection to bring in step.

    `recent_only` brings what takes place within four weeks of today in calendars that were never synced, and nothing
    else: a whole sync has to follow. A whole sync brings these first too.
    """

    connection_id: int
    recent_only: bool = False


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
        PermanentError: the connection is another provider's.
        SettingsRefused: it lacks one of them.
    """
    if connection.provider != PROVIDER:
        raise PermanentError(f"connection {connection.id} is for {connection.provider!r}, not for {PROVIDER!r}.")
    return SignIn.from_settings(connection.config, connection.credentials)


class ConnectionSync:
    """One run over all calendars of a connection."""

    def __init__(self, job: Job[CalendarSync], dav: DavClient, connection: Connection) -> None:
        self._job = job
        self._dav = dav
        self._connection = connection
        self._troubles: list[TransientError] = []
        #: Addresses that listed nothing, this time and the last time; what says so twice is believed.
        self._doubts: list[str] = []
        self._doubted = frozenset((job.checkpoint or {}).get("doubted", ()))
        counts = Counter(calendars=0, created=0, changed=0, deleted=0, unreadable=0)
        self._run = Run(job, dav, date.min, counts)

    def run(self) -> dict[str, int]:
        """Sync every calendar; how many there are, and how many objects were written and deleted.

        Raises:
            TransientError: some calendar could not be brought in step; the others are.
        """
        pairs = self._save_calendars([remote for remote in find_calendars(self._dav) if self._can_be_held(remote)])
        self._run.counts["calendars"] = len(pairs)
        self._bring_all(pairs)
        with self._job.commit() as tx:
            store.mark_synced(tx, [pair.row.id for pair in pairs if pair.unchanged])
            if self._run.reading is not None and not self._troubles and not self._job.payload.recent_only:
                self._run.reading.finish(tx)
            if self._doubts or self._doubted:
                tx.checkpoint({"doubted": self._doubts})
        if self._troubles:
            raise self._troubles[0]
        return dict(self._run.counts)

    def _can_be_held(self, remote: RemoteCalendar) -> bool:
        if not is_too_long(remote.url):
            return True
        self._run.counts["unreadable"] += 1
        reason = f"its address is longer than {MAX_BYTES:,} bytes"
        self._job.anomaly("calendar_unreadable", calendar=shown(remote.url)[:SHOWN_LENGTH], reason=reason)
        return False

    def _bring_all(self, pairs: Sequence[Pair]) -> None:
        """What takes place about now comes first, in every calendar."""
        reading = self._run.reading
        if reading is not None:
            reading.tell(0, 0)
        pairs = [pair for pair in pairs if self._succeeds(pair, self._take_recent)]
        if reading is not None:
            reading.note_recent()
        if not self._job.payload.recent_only:
            for pair in pairs:
                self._succeeds(pair, self._bring_in_step)

    def _save_calendars(self, remotes: Sequence[RemoteCalendar]) -> list[Pair]:
        with self._job.commit() as tx:
            self._run.today = today(tx)
            self._run.reading = FirstReading.of(tx, self._job, self._connection)
            absent = store.absent_calendars(tx, self._connection, [remote.url for remote in remotes])
            if self._believes_absence(remotes, sum(absent.values())):
                self._run.counts["deleted"] += store.delete_calendars(tx, self._connection, absent)
            rows = store.save_calendars(tx, self._connection, remotes, window=self._run.window)
        return [Pair(remote, rows[remote.url]) for remote in remotes]

    def _believes_absence(self, remotes: Sequence[RemoteCalendar], held: int) -> bool:
        home = self._dav.sign_in.url
        if remotes or held < SUSPICIOUS_FROM or home in self._doubted:
            return True
        self._doubt(home, SuspiciousEmptiness(f"lists no calendars though {held} objects are known"))
        return False

    def _succeeds(self, pair: Pair, step: Callable[[Pair], None]) -> bool:
        """Whether the calendar can be gone on with after this step; what is wrong is told at the end."""
        try:
            step(pair)
        except SuspiciousEmptiness as doubt:
            self._doubt(pair.remote.url, doubt)
        except (ServerFailed, UnexpectedReply) as trouble:
            self._troubles.append(trouble)
        except PermanentError as refusal:
            self._run.counts["unreadable"] += 1
            self._job.anomaly("calendar_unreadable", calendar=pair.row.id, reason=refusal.message)
        else:
            return True
        return False

    def _take_recent(self, pair: Pair) -> None:
        follower = Follower(self._run, pair)
        follower.move_window()
        if not pair.unchanged and not pair.row.synced:
            self._job.stop_if_cancelled()
            follower.take_recent()

    def _bring_in_step(self, pair: Pair) -> None:
        if not pair.unchanged:
            self._job.stop_if_cancelled()
            Follower(self._run, pair).bring_in_step(believe_empty=pair.remote.url in self._doubted)

    def _doubt(self, url: str, doubt: SuspiciousEmptiness) -> None:
        self._doubts.append(url)
        self._troubles.append(SuspiciousEmptiness(f"{shown(url)} {doubt.message}."))
