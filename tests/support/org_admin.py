"""The writer behind the API: late transactions, thousands of rows in one second, formulas, a short log, time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from infra.local.salesforce.control_values import Done
from tests.support.org_hands import ControlHand
from tests.support.org_world import FORMULAS, OBJECTS, Draw, Ledger, values
from tests.support.org_writers import COMMON, Writer, changed
from tests.support.sandbox_org import SandboxOrg

RARE = {
    "_hold": 14,
    "_change_many_at_once": 5,
    "_write_formula_anew": 4,
    "_forget_deletions": 2,
    "_let_time_pass": 12,
}

#: How long a transaction may be open, in changes of its own writer.
OPEN = 60

#: How many may be open at once.
MOST_OPEN = 4

#: Longer than a recycle bin keeps a row, or getDeleted tells of it.
BIN_DAYS = 16


@dataclass
class Held:
    """A transaction that is open until `due`, and what becomes of the rows when it is committed."""

    name: str
    due: int
    settle: Callable[[], object]
    kept: bool


@dataclass
class Open:
    """Transactions that are open."""

    held: list[Held] = field(default_factory=list)
    number: int = 0


class Admin(Writer):
    """Does all that, besides what everybody does. `many` are accounts of its own that change all at once."""

    def __init__(self, org: SandboxOrg, ledger: Ledger, draw: Draw, *, many: Sequence[str]) -> None:
        super().__init__(org, ControlHand(org.control), ledger, draw)
        self.late = 0
        self._many = list(many)
        self._open = Open()
        self._ledger.note_made("Account", many)

    def finish(self) -> None:
        """Commit what is open, and change something of each object, so that each has a last change to be seen."""
        self._end_all()
        for sobject in OBJECTS:
            self._made(sobject, self._hand.insert(sobject, [self._new_values(sobject)]))

    def let_bins_empty(self) -> None:
        """Half a month passes, and what lay in recycle bins goes. No transaction is open for so long."""
        self._end_all()
        self._org.control.clock_forward(days=BIN_DAYS)
        self._org.control.empty_bins()
        for sobject in OBJECTS:
            self._ledger.note_forgotten(self._org, sobject)

    def _deeds(self) -> dict[str, int]:
        self._end_what_is_due()
        return COMMON | RARE

    # late transactions

    def _hold(self) -> int:
        """Change something now that shows later, or never."""
        if len(self._open.held) >= MOST_OPEN:
            return 0
        self._open.number += 1
        name = f"late {self._open.number}"
        begin = self._draw.choice((self._late_insert, self._late_update, self._late_deletion))
        rows, settle = begin(name)
        due, kept = self.changes + self._draw.randint(1, OPEN), self._draw.random() < 0.9
        self._open.held.append(Held(name, due, settle, kept))
        return rows

    def _late_insert(self, name: str) -> tuple[int, Callable[[], object]]:
        sobject = self._draw.choice(OBJECTS)
        done = self._org.control.held(name).insert(sobject, self._new_rows(sobject))
        return len(done), lambda: self._made(sobject, done)

    def _late_update(self, name: str) -> tuple[int, Callable[[], object]]:
        sobject, ids = self._some()
        rows = [{"Id": one, **self._new_values(sobject)} for one in ids]
        done = self._org.control.held(name).update(sobject, rows)
        return changed(done), lambda: None

    def _late_deletion(self, name: str) -> tuple[int, Callable[[], object]]:
        sobject, ids = self._some(few=True)
        held, is_hard = self._org.control.held(name), self._draw.random() < 0.5
        done = held.hard_delete(ids) if is_hard else held.delete(ids)
        gone = [one.id for one in done if one.success and one.id]
        return len(gone), lambda: self._bin(sobject, gone, is_hard=is_hard)

    def _bin(self, sobject: str, ids: Sequence[str], *, is_hard: bool) -> None:
        self._drop(sobject, ids)
        self._binned += [] if is_hard else [(sobject, one) for one in ids]

    def _end_what_is_due(self) -> None:
        for held in [one for one in self._open.held if one.due <= self.changes]:
            self._open.held.remove(held)
            self._end(held)

    def _end_all(self) -> None:
        for held in self._open.held:
            self._end(held)
        self._open.held.clear()

    def _end(self, held: Held) -> None:
        if held.kept:
            self._org.control.commit(held.name)
            held.settle()
            self.late += 1
        else:
            self._org.control.discard(held.name)

    # what else only the org itself does

    def _change_many_at_once(self) -> int:
        rows = [{"Id": one, **values("Account", self._draw, None)} for one in self._many]
        done: list[Done] = self._hand.update("Account", rows)
        assert all(one.success for one in done)
        return len(done)

    def _write_formula_anew(self) -> int:
        sobject = self._draw.choice(list(FORMULAS))
        name, formulas = FORMULAS[sobject]
        self._org.control.set_formula(sobject, name, self._draw.choice(formulas))
        return 1

    def _forget_deletions(self) -> int:
        """The job that keeps the log of deletions small comes by."""
        sobject = self._draw.choice(OBJECTS)
        self._org.control.purge_log(sobject, self._org.control.now())
        self._ledger.note_forgotten(self._org, sobject)
        return 1

    def _let_time_pass(self) -> int:
        self._org.control.clock_forward(seconds=self._draw.randint(1, 90))
        return 1
