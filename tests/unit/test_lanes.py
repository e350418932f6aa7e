"""Which lane a job joins."""

from __future__ import annotations

import pytest

from retinue import Job, Payload, servant
from retinue.lanes import ACCOUNT, SYSTEM_LANE, lane_key


class Mailbox(Payload):
    connection_id: int
    folder: str = "inbox"


@pytest.mark.parametrize(
    ("field", "account_id", "lane"),
    [
        (ACCOUNT, 7, "account:7"),
        (ACCOUNT, None, SYSTEM_LANE),
        ("connection_id", 7, "connection_id:12"),
        ("connection_id", None, "connection_id:12"),
        ("folder", 7, "folder:inbox"),
    ],
)
def test_a_lane_is_the_account_or_a_field(field: str, account_id: int | None, lane: str) -> None:
    assert lane_key(field, account_id, Mailbox(connection_id=12)) == lane


def test_a_type_knows_its_lanes() -> None:
    @servant("mail.fetch", lane="connection_id")
    def fetch(job: Job[Mailbox]) -> None:
        """Fetch."""

    assert fetch.lane_of(7, Mailbox(connection_id=3)) == "connection_id:3"


def test_accounts_and_fields_never_share_a_lane() -> None:
    class Odd(Payload):
        account_id: int

    assert lane_key(ACCOUNT, 7, Odd(account_id=7)) != lane_key("account_id", 7, Odd(account_id=7))
