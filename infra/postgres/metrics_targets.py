"""Where the metrics of the live processes can be fetched."""

from __future__ import annotations

from typing import NamedTuple

from infra.postgres.connect import Database


class Target(NamedTuple):
    """A scheduler or servant that serves metrics; in the order of `list_metrics_targets`."""

    process: str
    id: int
    type: str | None
    host: str
    port: int


def metrics_targets(database: Database, *, lost_seconds: float) -> list[Target]:
    """Those that have been heard of within `lost_seconds`.

    Raises:
        DatabaseUnreachable: no connection could be had in time.
    """
    return [Target._make(row) for row in database.fetch("list_metrics_targets", {"lost_seconds": lost_seconds})]
