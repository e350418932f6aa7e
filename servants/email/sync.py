"""`email.sync`: bring the mailboxes of one IMAP connection in step.

    list folders ─▶ follow each that changed ─▶ once more if something went ─▶ compare those that are due
                                                                                     │
                                   messages that lie nowhere are deleted ◀───────────┘

A message that is moved goes from one mailbox and comes in another: whatever went may have come where the run had been
already, so the folders are gone through until nothing goes. Only then is what lies nowhere taken for deleted.

A run works for some minutes. If it is not done then, it puts its own job back (`Snooze`) instead of making another one:
whoever waits for the job, a group or a unique key, waits until all is done. What is placed tells where to go on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

from infra.logs import get_logger
from infra.postgres.imports import Kind, Stage, finish_import, stage_of
from retinue import (
    Completed,
    Connection,
    Exponential,
    Job,
    Outcome,
    Payload,
    PermanentError,
    Snooze,
    TransientError,
    minutes,
    seconds,
    servant,
)
from retinue.breaker import Breaker
from retinue.provider import declare_provider
from servants.deadline import Deadline
from servants.email import mailboxes, onboarding
from servants.email.compare import Comparison, is_due
from servants.email.connecting import PROVIDER
from servants.email.faults import StaleRange, SuspiciousEmptiness
from servants.email.folder_sync import FolderSync
from servants.email.folders import Pair
from servants.email.follow import is_unchanged
from servants.email.imap.faults import REFUSALS
from servants.email.imap.session import ImapSession
from servants.email.mailbox_sync import MailboxSync
from servants.email.mailboxes import StoredMailbox
from servants.email.messages import delete_unplaced
from servants.email.server import Server, connected
from servants.email.values import Role

log = get_logger(__name__)

# Servers name no limits of their own. A connection's jobs of one type have few sessions at once, see their lane limits.
declare_provider(PROVIDER, breaker=Breaker(failures=3, within=minutes(5), probe_after=seconds(30), longest=minutes(30)))

#: How long a run works before it puts its job back, in seconds.
WORK_SECONDS = 240.0

#: How often the folders are gone through at most.
PASSES = 3

#: Stands for the listing of all folders among what was doubted; no mailbox has this name.
_LISTING = ""


class EmailSync(Payload):
    """Which connection to bring in step; `compare` has every mailbox compared in full, due or not."""

    connection_id: int
    compare: bool = False


@servant(
    "email.sync",
    slots=8,
    # A page with a large message may take long after the run has looked at its watch.
    timeout=minutes(15),
    # As long as one silent read may take, for only then can the job notice that it should stop.
    grace=seconds(75),
    retry=Exponential(base=5, cap=3600, attempts=10),
    lane="connection_id",
    lane_limit=1,
)
def sync_email(job: Job[EmailSync]) -> Outcome:
    """Fetch what changed in the connection's mailboxes since the last sync."""
    connection = job.connection(job.payload.connection_id)
    with connected(job, connection) as server:
        engine = ConnectionSync(job, server, connection)
        if onboarding.is_due(job, connection):
            return Completed(onboarding.begin(job, engine))
        return engine.run()


class ConnectionSync:
    """One run over all mailboxes of a connection."""

    def __init__(self, job: Job[EmailSync], server: Server, connection: Connection) -> None:
        self._job = job
        self.server = server
        self.connection = connection
        self._deadline = Deadline.after(WORK_SECONDS)
        self._sync = MailboxSync(job, server, connection, deadline=self._deadline)
        self._started = datetime.now(UTC)
        checkpoint = job.checkpoint or {}
        #: What listed nothing, this time and the last time; what says so twice is believed.
        self._doubts: set[str] = set()
        self._doubted = frozenset(checkpoint.get("doubted", ()))
        #: Since when this job compares; mailboxes that an earlier run of it compared are not compared again.
        self._since = datetime.fromisoformat(checkpoint.get("since", self._started.isoformat()))
        self._troubles: list[TransientError] = []
        self._refused: set[int] = set()
        self._unreadable: dict[int, str] = {}
        self._unchanged: set[int] = set()
        self._followed: set[int] = set()
        self._steady: set[int] = set()
        self._unfinished = False
        self._again = False
        self._is_compared = False

    @property
    def session(self) -> ImapSession:
        """The session; another one after it broke."""
        return self.server.session

    def run(self) -> Outcome:
        """Bring every mailbox in step.

        Raises:
            TransientError: some mailbox could not be brought in step; the others are.
        """
        pairs: list[Pair] = []
        for number in range(PASSES):
            self._again = False
            pairs = self.save_folders()
            self._follow_all(pairs, is_first=number == 0)
            if self._unfinished or not self._again:
                break
        self._compare_due()
        result = self._finish(pairs)
        if self._unfinished:
            left = self._sync.tally["left"]
            return Snooze(datetime.now(UTC), f"goes on at once: {left:,} messages or other mailboxes are left")
        if self._troubles:
            raise self._troubles[0]
        return Completed(result)

    def save_folders(self) -> list[Pair]:
        """List the folders and save what changed."""
        folders = FolderSync(self._job, self.server, self.connection).run(believe_absence=_LISTING in self._doubted)
        if folders.doubted:
            self._doubt(_LISTING, f"the server lists no inbox though {folders.doubted} messages are known")
        self._sync.tally["gone"] += folders.gone
        self._again = self._again or folders.gone > 0
        return list(folders.pairs)

    def _doubt(self, name: str, sentence: str) -> None:
        if name not in self._doubts:
            self._doubts.add(name)
            self._troubles.append(SuspiciousEmptiness(sentence))

    def _follow_all(self, pairs: Sequence[Pair], *, is_first: bool) -> None:
        for pair in sorted((pair for pair in pairs if pair.remote.selectable), key=_rank):
            row = pair.row
            if is_first and row.uid_validity is not None and row.uid_validity == pair.remote.uid_validity:
                self._steady.add(row.id)
            if is_unchanged(row, pair.remote, self.server.abilities, now=datetime.now(UTC)):
                self._unchanged.add(row.id)
                continue
            self._job.stop_if_cancelled()
            if self._deadline.passed:
                self._unfinished = True
                return
            self._follow(row)

    def _follow(self, row: StoredMailbox) -> None:
        before = Counter(self._sync.tally)
        self._followed.add(row.id)
        try:
            self._sync.follow(row, believe_empty=row.name in self._doubted)
            self._unreadable.pop(row.id, None)
        except SuspiciousEmptiness as doubt:
            self._doubt(row.name, doubt.message)
        except StaleRange:
            self._again = True
        except PermanentError as refusal:
            # It may have gone since it was listed; if it is listed once more and refused, too, it stays so.
            if row.id in self._refused:
                self._unreadable[row.id] = refusal.message
            self._again = self._again or row.id not in self._refused
            self._refused.add(row.id)
        except TransientError as trouble:
            self._troubles.append(trouble)
            if not isinstance(trouble, REFUSALS):
                self.server.renew(trouble)
        self._again = self._again or self._sync.tally["gone"] > before["gone"]
        self._unfinished = self._unfinished or self._sync.tally["left"] > 0

    def _compare_due(self) -> None:
        """Compare mailboxes that are in step, once the import is over."""
        with self._job.commit() as tx:
            rows = mailboxes.load_mailboxes(tx, self.connection)
            is_over = stage_of(tx, self.connection.id, Kind.EMAIL) is Stage.OVER
        if not is_over or self._unfinished:
            return
        self._is_compared = True
        comparison = Comparison(self._job, self.server, self._sync)
        for row in rows:
            if row.id not in self._unreadable and row.name not in self._doubts and self._is_due(row):
                if self._deadline.passed:
                    self._unfinished = True
                    return
                self._compare(comparison, row)

    def _is_due(self, row: StoredMailbox) -> bool:
        wanted = self._job.payload.compare and (row.compared_at is None or row.compared_at < self._since)
        return row.selectable and row.synced_at is not None and (wanted or is_due(row, now=self._started))

    def _compare(self, comparison: Comparison, row: StoredMailbox) -> None:
        self._job.stop_if_cancelled()
        try:
            self._unfinished = not comparison.compare(row) or self._unfinished
        except (StaleRange, PermanentError) as refusal:
            # A later run meets the mailbox as it is then; one at once might meet the same for ever.
            self._is_compared = False
            log.info("comparison_put_off", mailbox=row.id, reason=refusal.message)
        except TransientError as trouble:
            self._troubles.append(trouble)
            if not isinstance(trouble, REFUSALS):
                self.server.renew(trouble)

    def _finish(self, pairs: Sequence[Pair]) -> dict[str, int]:
        """Write what the run comes to, and delete what lies nowhere if it went through everything."""
        is_whole = not self._unfinished and not self._troubles and not self._again
        deleted = 0
        with self._job.commit() as tx:
            mailboxes.mark_steady(tx, self._steady)
            mailboxes.mark_synced(tx, self._unchanged)
            if is_whole:
                deleted = delete_unplaced(tx, self.connection)
            if is_whole and self._is_compared:
                finish_import(tx, self.connection.id, Kind.EMAIL)
            tx.checkpoint({"doubted": sorted(self._doubts), "since": self._since.isoformat()})
        self._report_unreadable(pairs)
        counts = {name: count for name, count in self._sync.tally.items() if name != "left"}
        return {
            "mailboxes": len(pairs),
            "unchanged": len(self._unchanged - self._followed),
            **counts,
            "deleted": deleted,
            "unreadable": len(self._unreadable),
            "round_trips": self.server.round_trips,
        }

    def _report_unreadable(self, pairs: Sequence[Pair]) -> None:
        listed = {pair.row.id for pair in pairs}
        self._unreadable = {row_id: reason for row_id, reason in self._unreadable.items() if row_id in listed}
        for row_id, reason in self._unreadable.items():
            self._job.anomaly("mailbox_unreadable", mailbox=row_id, reason=reason)


def _rank(pair: Pair) -> tuple[bool, bool, bool, int]:
    """What is nearly in step comes before long first readings, the inbox before others, `\\All` after them."""
    row = pair.row
    return row.synced_at is None, row.role != Role.INBOX, row.role == Role.ALL, row.id
