"""The rows of a connection's mailboxes brought in step with what its server lists."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from infra.logs import get_logger
from retinue.connection import Connection
from retinue.job import Commit, Job
from servants.email import mailboxes, placements
from servants.email.folders import FolderPlan, Pair, is_suspicious, plan_folders
from servants.email.imap.faults import REFUSALS
from servants.email.mime import identity
from servants.email.server import Server
from servants.email.values import RemoteFolder, UidSet

log = get_logger(__name__)

#: Messages that are looked at before a folder is taken for another one renamed.
SAMPLE = 5


#: The longest name of a folder, with those that it lies in, in bytes: PostgreSQL's index takes 2,700.
LONGEST_NAME = 2000


@dataclass(frozen=True, slots=True)
class Folders:
    """The mailboxes as they are listed, how many placements went with those that went, and, where the listing is too
    empty to be true, of how many messages it says nothing."""

    pairs: tuple[Pair, ...]
    gone: int
    doubted: int


class FolderSync:
    """Lists a connection's folders and writes what changed."""

    def __init__(self, job: Job[Any], server: Server, connection: Connection) -> None:
        self._job = job
        self._server = server
        self._connection = connection

    def run(self, *, believe_absence: bool) -> Folders:
        """List, and save what changed; a suspicious listing takes nothing away, unless `believe_absence` is set."""
        remotes = self._listed()
        with self._job.commit() as tx:
            rows = mailboxes.load_mailboxes(tx, self._connection)
        todo = self._verified(plan_folders(remotes, rows))
        with self._job.commit() as tx:
            held = placements.count_placements(tx, [row.id for row in todo.gone]) if todo.gone else 0
            doubted = held if is_suspicious(remotes, rows, held=held) and not believe_absence else 0
            gone = self._save(tx, replace(todo, gone=()) if doubted else todo)
            saved = {row.name: row for row in mailboxes.load_mailboxes(tx, self._connection)}
        listed = {remote.name: remote for remote in remotes}
        return Folders(tuple(Pair(remote, saved[name]) for name, remote in listed.items()), gone, doubted)

    def _listed(self) -> list[RemoteFolder]:
        """The folders, without those whose names cannot be kept."""
        remotes = self._server.session.folders()
        kept = [remote for remote in remotes if _is_storable(remote.name)]
        if len(kept) < len(remotes):
            reason = f"{len(remotes) - len(kept)} folders have names longer than {LONGEST_NAME:,} bytes, or NUL in them"
            self._job.anomaly("mailbox_unreadable", mailbox=None, reason=reason)
        return kept

    def _save(self, tx: Commit, todo: FolderPlan) -> int:
        """Write the plan; how many placements went."""
        gone = placements.delete_mailboxes(tx, self._connection, [row.id for row in todo.gone])
        pairs = [*todo.same, *todo.renamed]
        mailboxes.save_mailboxes(
            tx, {pair.row.id: pair.remote for pair in pairs}, renamed=[pair.row.id for pair in todo.renamed]
        )
        mailboxes.add_mailboxes(tx, self._connection, todo.new)
        if todo.new or todo.renamed or todo.gone:
            log.info("folders_changed", new=len(todo.new), renamed=len(todo.renamed), gone=len(todo.gone))
        # A folder that was deleted while others lay below it stays as a name that cannot be opened (RFC 9051 §6.3.5).
        closed = {pair.row.id for pair in pairs if not pair.remote.selectable and pair.row.uid_validity is not None}
        return gone + placements.empty_mailboxes(tx, self._connection, sorted(closed | todo.reset))

    def _verified(self, todo: FolderPlan) -> FolderPlan:
        """The plan, with folders whose messages are not those of the row that they were taken for among the `reset`."""
        doubtful = [pair for pair in todo.renamed if pair.row.id in todo.guessed]
        return replace(todo, reset=todo.reset | {pair.row.id for pair in doubtful if not self._is_same(pair)})

    def _is_same(self, pair: Pair) -> bool:
        """Whether the newest messages that are known lie there under their UIDs, as far as they are still there."""
        with self._job.commit() as tx:
            known = placements.newest_identities(tx, pair.row.id, count=SAMPLE)
        if not known:
            return True
        found = self._identities(pair.remote, UidSet.of(known))
        return bool(found) and all(known.get(uid) == one for uid, one in found.items())

    def _identities(self, remote: RemoteFolder, uids: UidSet) -> dict[int, str]:
        exact = self._server.abilities.sizes
        try:
            self._server.session.examine(remote.name)
            headers = list(self._server.session.headers(uids))
        except REFUSALS:
            return {}
        return {line.uid: identity(line.header, line.size if exact else 0) for line in headers}


def _is_storable(name: str) -> bool:
    return "\0" not in name and len(name.encode(errors="replace")) <= LONGEST_NAME
