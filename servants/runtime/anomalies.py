"""The anomalies of one attempt, added up until they are written: with its next commit, or with its outcome."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import Any

from infra.logs import get_logger
from infra.postgres.anomaly_sightings import Sighting, kind_of, sample_of
from retinue.fingerprint import fingerprint
from retinue.job import BaseJob

#: So many that differ are told apart within one attempt; others count with what has their name.
MAX_KINDS = 20

#: So many names are known within one attempt; a handler that makes up more has a bug that the log shows.
MAX_NAMES = 100

#: So many of one kind are logged within one attempt.
MAX_LOGGED = 10

log = get_logger(__name__)


class Noted:
    """What one attempt has reported and nobody has written yet; any of its threads may report."""

    def __init__(self) -> None:
        self._pending: dict[str, Sighting] = {}
        self._logged: dict[str, int] = {}
        self._changing = threading.Lock()

    def add(self, job: BaseJob[Any], name: str, fields: Mapping[str, Any]) -> bool:
        """Count one; whether it is to be logged, too."""
        kind, reason = kind_of(job.facts.type, name, fields)
        family = fingerprint(f"{job.facts.type} {name}", "")
        with self._changing:
            if kind not in self._logged and len(self._logged) >= MAX_KINDS:
                kind, reason = family, ""
            if kind not in self._logged and len(self._logged) >= MAX_NAMES:
                return False
            self._logged[kind] = logged = self._logged.get(kind, 0) + 1
            before = self._pending.get(kind)
            if before is not None:
                self._pending[kind] = before._replace(seen=before.seen + 1)
            else:
                self._pending[kind] = _sighting(job, name, fields, kind=(kind, family, reason))
        return logged <= MAX_LOGGED

    def __len__(self) -> int:
        return len(self._pending)

    def pending(self) -> list[Sighting]:
        """What is to be written."""
        with self._changing:
            return list(self._pending.values())

    def take(self) -> list[Sighting]:
        """What is to be written now; it is given back if that fails."""
        with self._changing:
            taken = list(self._pending.values())
            self._pending.clear()
        return taken

    def give_back(self, sightings: Iterable[Sighting]) -> None:
        """These were not written."""
        with self._changing:
            for one in sightings:
                later = self._pending.get(one.fingerprint)
                self._pending[one.fingerprint] = one._replace(seen=one.seen + (later.seen if later else 0))


def report(job: BaseJob[Any], name: str, fields: Mapping[str, Any]) -> None:
    """Have the attempt report an anomaly."""
    if job.noted is None:
        job.noted = Noted()
    if job.noted.add(job, name, fields):
        log.warning("anomaly", anomaly=name, **fields)


def _sighting(job: BaseJob[Any], name: str, fields: Mapping[str, Any], *, kind: tuple[str, str, str]) -> Sighting:
    print_, family, reason = kind
    connection_id = getattr(job.payload, "connection_id", None)
    return Sighting(
        fingerprint=print_,
        family=family,
        type=job.facts.type,
        name=name,
        reason=reason,
        account_id=job.account_id,
        connection_id=connection_id if isinstance(connection_id, int) else None,
        job_id=job.id,
        sample=sample_of(fields),
    )
