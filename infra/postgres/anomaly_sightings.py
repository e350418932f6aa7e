"""Anomalies as jobs report them, on their way into the table: many sightings of one are written as one row."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import psycopg

from infra.postgres.arrays import numbers, texts
from infra.postgres.statements import statement
from infra.postgres.texts import storable
from infra.redaction import mask_text, redact
from retinue.fingerprint import fingerprint, normalised

#: Characters that are kept of the reason, and of the fields of one sighting as JSON.
MAX_REASON, MAX_SAMPLE = 300, 4000


class Sighting(NamedTuple):
    """One anomaly of one attempt, seen `seen` times; `sample` is the fields of one of them, as JSON.

    `fingerprint` is the same for all of one type, name and reason, whatever numbers and names the reason mentions;
    `family` for all of one type and name.
    """

    fingerprint: str
    family: str
    type: str
    name: str
    reason: str
    account_id: int | None
    connection_id: int | None
    job_id: int
    sample: str
    seen: int = 1


def kind_of(job_type: str, name: str, fields: Mapping[str, Any]) -> tuple[str, str]:
    """The fingerprint of an anomaly, and what of its reason goes into it."""
    given = fields.get("reason")
    reason = storable(normalised(mask_text(str(given))))[:MAX_REASON] if given is not None else ""
    return fingerprint(f"{job_type} {name}", reason), reason


def sample_of(fields: Mapping[str, Any]) -> str:
    """The fields as JSON that PostgreSQL can hold, their secrets masked."""
    told = json.dumps(_storable(redact(dict(fields))))
    return told if len(told) <= MAX_SAMPLE else json.dumps({"too_long": storable(told)[: MAX_SAMPLE // 2]})


def write_sightings(connection: psycopg.Connection, sightings: Iterable[Sighting]) -> None:
    """Append them, in the caller's transaction; those of one fingerprint and account as one row."""
    rows = _added_up(sightings)
    if not rows:
        return
    params = {
        "fingerprints": texts(row.fingerprint for row in rows),
        "families": texts(row.family for row in rows),
        "types": texts(row.type for row in rows),
        "names": texts(row.name for row in rows),
        "reasons": texts(row.reason for row in rows),
        "account_ids": numbers(row.account_id for row in rows),
        "connection_ids": numbers(row.connection_id for row in rows),
        "job_ids": numbers(row.job_id for row in rows),
        "seen": numbers(row.seen for row in rows),
        "samples": texts(row.sample for row in rows),
    }
    connection.execute(statement("add_anomaly_sightings"), params)


def _added_up(sightings: Iterable[Sighting]) -> list[Sighting]:
    """The newest of each fingerprint and account, with how often they were seen together."""
    found: dict[tuple[str, int | None], Sighting] = {}
    for one in sightings:
        before = found.get((one.fingerprint, one.account_id))
        found[one.fingerprint, one.account_id] = one._replace(seen=one.seen + (before.seen if before else 0))
    return list(found.values())


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, list):
        return [_storable(one) for one in value]
    if isinstance(value, dict):
        return {storable(str(key)): _storable(one) for key, one in value.items()}
    return value
