"""`calendar.sync` of a connection whose settings cannot be used: an incident, until they are mended."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from infra.postgres.connections import change_settings, mark_active
from infra.postgres.incidents import list_incidents
from retinue.testing import RetinueDatabase, run
from retinue.testing.pytest import retinue_database, retinue_schema, retinue_template
from servants.calendar import sync_calendar
from tests.support.radicale_server import run_radicale

__all__ = ["retinue_database", "retinue_schema", "retinue_template"]


def test_settings_that_cannot_be_used_open_an_incident_until_they_are_mended(
    retinue_database: RetinueDatabase, tmp_path: Path
) -> None:
    with run_radicale(tmp_path) as server:
        hand = server.hand()
        hand.make_calendar("work")
        good = {"url": hand.base_url, "username": hand.username}
        account = retinue_database.account()
        connection_id = retinue_database.connection(
            account, "caldav", config=good, credentials={"password": hand.password}
        )

        def change(config: dict[str, Any]) -> None:
            change_settings(retinue_database.sql, connection_id, name="work", config=config)
            mark_active(retinue_database.sql, connection_id)

        def state() -> str | None:
            payload = {"connection_id": connection_id}
            return run(sync_calendar, payload, database=retinue_database, account_id=account).state

        for config, words in (
            ({"url": hand.base_url}, "has no username"),
            ({**good, "url": "ftp://dav.example/"}, "is no CalDAV address"),
            ({**good, "url": "http://dav.example/"}, "allowed on this machine alone"),
        ):
            change(config)
            assert state() == "pending"
            (incident,) = list_incidents(retinue_database.sql)
            assert (incident.connection_id, incident.kind) == (connection_id, "settings")
            assert words in incident.reason
        change(good)
        assert state() == "completed"
        assert list_incidents(retinue_database.sql) == []
