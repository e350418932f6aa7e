"""Records of the sandbox org: deleted, brought back, gone for good, and what the log tells of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from infra.local.salesforce.changes_log import empty_bins, purge_log
from infra.local.salesforce.clock import whole_second
from infra.local.salesforce.org import Org
from tests.support.sandbox import added, codes, count, deleted_ids, opened, value


@pytest.fixture
def org(tmp_path: Path) -> Iterator[Org]:
    with opened(tmp_path) as org:
        yield org


def test_deleting_takes_along_what_belongs_to_it(org: Org) -> None:
    account = added(org, "Account", Name="Hollis")
    contact = added(org, "Contact", LastName="Byrne", AccountId=account)
    case = added(org, "Case", AccountId=account)
    task = added(org, "Task", WhoId=contact)
    early = added(org, "Contact", LastName="Doyle", AccountId=account)
    with org.edit(org.admin) as edit:
        assert codes(edit.delete([early])) == ["ok"]
    before = value(org, contact, "SystemModstamp")
    org.clock.advance(timedelta(minutes=1))
    with org.edit(org.admin) as edit:
        assert codes(edit.delete([account, account])) == ["ok", "ENTITY_IS_DELETED"]
    assert [value(org, one, "IsDeleted") for one in (account, contact, task, case)] == [True, True, True, False]
    assert value(org, contact, "SystemModstamp") > before
    with org.edit(org.admin) as edit:
        assert codes(edit.undelete([account, account])) == ["ok", "UNDELETE_FAILED"]
    assert [value(org, one, "IsDeleted") for one in (account, contact, task, early)] == [False, False, False, True]


def test_a_child_does_not_come_back_to_a_master_that_is_deleted(org: Org) -> None:
    contract = added(org, "ServiceContract", Name="Care")
    line = added(org, "ContractLineItem", ServiceContractId=contract, Quantity=1, UnitPrice=1)
    with org.edit(org.admin) as edit:
        assert codes(edit.delete([contract])) == ["ok"]
        assert codes(edit.undelete([line])) == ["UNDELETE_FAILED"]


def test_the_log_tells_of_deletions_until_they_are_undone(org: Org) -> None:
    one, two, three = (added(org, "Account", Name=name) for name in "abc")
    with org.edit(org.admin) as edit:
        edit.delete([one, two])
        edit.undelete([two])
        assert codes(edit.hard_delete([three])) == ["ok"]
    assert deleted_ids(org, "Account") == [one, three]
    assert count(org, "Account") == 2


def test_purged_records_are_gone_with_what_went_along(org: Org) -> None:
    account = added(org, "Account", Name="a")
    added(org, "Contact", LastName="b", AccountId=account)
    with org.edit(org.admin) as edit:
        assert codes(edit.purge([account])) == ["ENTITY_IS_NOT_DELETED"]
        edit.delete([account])
        assert codes(edit.purge([account])) == ["ok"]
    assert (count(org, "Account"), count(org, "Contact")) == (0, 0)
    assert added(org, "Account", Name="c") > account


def test_the_bin_is_emptied_after_fifteen_days_and_the_log_can_be_dropped(org: Org) -> None:
    account, sobject = added(org, "Account", Name="a"), org.full_schema().object("Account")
    with org.edit(org.admin) as edit:
        edit.delete([account])
    assert empty_bins(org) == 0
    org.clock.advance(timedelta(days=15, minutes=1))
    later = added(org, "Account", Name="b")
    with org.edit(org.admin) as edit:
        edit.delete([later])
    assert (empty_bins(org), count(org, "Account")) == (1, 1)
    before = org.clock.now() + timedelta(seconds=1)
    assert org.log.earliest(sobject, org.clock.now()) < org.clock.now() - timedelta(days=14)
    assert purge_log(org, sobject, before) == 2
    assert deleted_ids(org, "Account") == []
    assert org.log.earliest(sobject, org.clock.now()) == whole_second(before)


def test_what_was_stamped_in_a_time(org: Org) -> None:
    start = whole_second(org.clock.now())
    one = added(org, "Account", Name="a")
    org.clock.advance(timedelta(minutes=5))
    two = added(org, "Account", Name="b")
    sobject, end = org.full_schema().object("Account"), org.clock.now() + timedelta(minutes=1)
    middle = start + timedelta(minutes=2)
    assert org.log.updated_ids(sobject, start, end, limit=10) == [one, two]
    assert org.log.updated_ids(sobject, middle, end, limit=10) == [two]
    assert org.log.updated_ids(sobject, start, end, limit=1) == [one]
