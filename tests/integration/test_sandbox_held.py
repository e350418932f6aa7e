"""Transactions of the sandbox org that are stamped now and seen later, and the locks they hold."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from infra.local.salesforce.clock import stamp
from infra.local.salesforce.org import Org
from tests.support.sandbox import added, changed, codes, count, deleted_ids, keyed, opened, value


@pytest.fixture
def org(tmp_path: Path) -> Iterator[Org]:
    with opened(tmp_path) as org:
        yield org


def test_a_held_transaction_is_stamped_now_and_seen_later(org: Org) -> None:
    account = added(org, "Account", Name="before")
    with org.edit(org.admin, hold="late") as edit:
        [update] = edit.update("Account", [{"Id": account, "Name": "after"}])
        [insert] = edit.insert("Account", [{"Name": "new"}])
    [held] = org.held()
    org.clock.advance(timedelta(minutes=5))
    visible = added(org, "Account", Name="in between")
    assert (value(org, account, "Name"), count(org, "Account")) == ("before", 2)
    assert org.settled_until() == held.stamped < org.clock.now() - timedelta(minutes=4)
    org.commit_held("late")
    assert (value(org, account, "Name"), value(org, str(insert.id), "Name")) == ("after", "new")
    assert value(org, account, "SystemModstamp") == stamp(held.stamped) < value(org, visible, "SystemModstamp")
    assert (update.success, org.held(), len({account, insert.id, visible})) == (True, [], 3)
    assert org.settled_until() > held.stamped


def test_a_held_transaction_locks_what_it_wrote(org: Org) -> None:
    keyed(org)
    contract = added(org, "ServiceContract", Name="Care")
    account = added(org, "Account", Name="a")
    with org.edit(org.admin, hold="late") as edit:
        edit.update("Account", [{"Id": account, "Number__c": "K1"}])
        edit.insert("ContractLineItem", [{"ServiceContractId": contract, "Quantity": 1, "UnitPrice": 1}])
    with org.edit(org.admin) as edit:
        assert codes(edit.update("Account", [{"Id": account, "Name": "b"}])) == ["UNABLE_TO_LOCK_ROW"]
        assert codes(edit.delete([account, contract])) == ["UNABLE_TO_LOCK_ROW"] * 2
        assert codes(edit.insert("Account", [{"Name": "c", "Number__c": "k1"}])) == ["UNABLE_TO_LOCK_ROW"]
    org.discard_held("late")
    with org.edit(org.admin) as edit:
        assert codes(edit.update("Account", [{"Id": account, "Name": "b"}])) == ["ok"]
        assert codes(edit.insert("Account", [{"Name": "c", "Number__c": "k1"}])) == ["ok"]
    assert count(org, "ContractLineItem") == 0


def test_deletions_may_be_held_too(org: Org) -> None:
    account = added(org, "Account", Name="a")
    with org.edit(org.admin, hold="late") as edit:
        edit.hard_delete([account])
    assert (count(org, "Account"), deleted_ids(org, "Account")) == (1, [])
    org.commit_held("late")
    assert (count(org, "Account"), deleted_ids(org, "Account")) == (0, [account])


def test_what_cannot_be_held(org: Org) -> None:
    with pytest.raises(ValueError, match="loads"), org.edit(org.admin, hold="one") as edit:
        edit.load("Account", [{"Name": "a"}])
    with org.edit(org.admin, hold="one") as edit:
        edit.insert("Account", [{"Name": "a"}])
    with pytest.raises(ValueError, match="already"), org.edit(org.admin, hold="one"):
        pytest.fail("The name is taken.")
    with pytest.raises(KeyError):
        org.commit_held("two")
    assert count(org, "Account") == 0


def test_rows_may_be_locked_by_hand(org: Org) -> None:
    account = added(org, "Account", Name="a")
    org.lock_rows("somebody", [account])
    with org.edit(org.admin) as edit:
        assert codes(edit.update("Account", [{"Id": account, "Name": "b"}])) == ["UNABLE_TO_LOCK_ROW"]
    org.release_rows("somebody")
    changed(org, "Account", account, Name="b")


def test_a_running_transaction_holds_back_what_is_settled(org: Org) -> None:
    with org.edit(org.admin) as edit:
        org.clock.advance(timedelta(minutes=3))
        assert org.settled_until() <= edit.now
    assert org.settled_until() > edit.now
