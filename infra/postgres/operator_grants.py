"""What the manager may do with each table, column by column: the rights of the operators' role.

A table that is not named here it may not even read. It never owns, alters or truncates one, and it writes no column but
those that a page or an action of its own writes. A test compares this with what the database says.

What it may do for all accounts: row-level security lets this role see every row, for operators look after all of them.
What members and operators who have assumed an account see, they see by roles of their own.
"""

from __future__ import annotations

from dataclasses import dataclass

#: Every column.
ALL = "*"


@dataclass(frozen=True, slots=True)
class Grant:
    """Rights on one table: its columns, parted by blanks, for each. `ALL` for `read` is all but those `withheld`.

    To lock a row takes a column that may be updated.
    """

    read: str = ALL
    withheld: str = ""
    insert: str = ""
    update: str = ""
    delete: bool = False


_READ = Grant()

GRANTS: dict[str, Grant] = {
    # Jobs. They are made and cancelled here, and never claimed or settled: a cancelled one goes to the history, with an
    # event, a count and a note to its group and its lane, in the statement that deletes it.
    "jobs": Grant(insert=ALL, update="run_at cancel_requested_at traceparent", delete=True),
    "job_history": Grant(insert=ALL),
    "job_events": Grant(insert=ALL),
    "job_rollups": Grant(insert=ALL, update="jobs"),
    "group_notes": Grant(insert=ALL),
    "job_groups": Grant(update="cancel_requested_at cancel_reason"),
    # The statement that makes a job with a key names what it does for one that is kept for a period.
    "job_keys": Grant(insert=ALL, update="until job_id"),
    "job_types": Grant(update="paused_at lane_limit type_limit limits_by_hand"),
    # Lanes: pauses, limits and weights by hand. What a lane has used counts by its new weight.
    "lanes": Grant(insert=ALL, update="weight concurrency_limit virtual_time full ready held_until"),
    "lane_holds": Grant(insert=ALL, update="until reason held_at", delete=True),
    "lane_wakes": Grant(insert=ALL),
    "schedules": Grant(
        insert=ALL,
        update="name cron every_seconds timezone jitter_seconds catch_up overlap payload lane priority starts_at"
        " next_fire_at state problem",
        # Those of a connection that is being removed.
        delete=True,
    ),
    # Processes, and what an operator asks of one.
    "servants": Grant(update="request requested_at"),
    "schedulers": _READ,
    "process_exits": _READ,
    # Queues in PostgreSQL: how deep they are. One that is missing is made by whoever misses it.
    "queues": Grant(insert=ALL, update="visibility_seconds max_receives"),
    "messages": Grant(read="type hidden_until"),
    "dead_messages": Grant(read="type"),
    # Figures.
    "account_costs": _READ,
    "account_rollups": _READ,
    "cost_progress": _READ,
    "queue_calls": _READ,
    "rollup_progress": _READ,
    # Accounts are neither made nor deleted here: a job erases one, and a page only marks it. Who looks at it is policy.
    "accounts": Grant(update="assume_policy erasing_at"),
    # Members enter a password here, and it is sealed here, under the account's data key, which the master key wraps. To
    # read what is sealed the manager has no need: servants sign in with it.
    "connections": Grant(withheld="credentials", insert=ALL, update="config credentials state problem updated_at"),
    "account_keys": Grant(read="account_id wrapped", insert=ALL),
    # How full and how fresh each folder and calendar is; to read a connection anew is to forget how far it was read.
    "mailboxes": Grant(
        read="connection_id name role selectable uid_validity messages synced_at deleted_at",
        update="uid_validity uid_next highest_modseq object_id",
    ),
    # `objects` is kept by a trigger of the table below, in the name of whoever writes there.
    "calendars": Grant(
        read="id connection_id name sync_token ctag objects synced_at deleted_at", update="sync_token ctag objects"
    ),
    "calendar_objects": Grant(read="calendar_id etag", update="etag"),
    "imports": _READ,
    "record_counts": _READ,
    "salesforce_objects": _READ,
    # What may be unmasked, for a reason of its own: one value of one row. Nothing else of what accounts hold.
    "calendar_events": Grant(read="id account_id summary description location"),
    "contacts": Grant(read="id account_id name address"),
    "mail_messages": Grant(read="id account_id subject body_text"),
    "records": Grant(read="account_id connection_id kind external_id payload"),
    # Budgets and breakers, set and closed by hand.
    "breakers": Grant(
        update="state failed_at openings reason opened_at probe_at probe_job_id probe_attempt updated_at"
    ),
    "budget_leases": _READ,
    "budget_states": Grant(insert=ALL, update="blocked_until blocked_reason"),
    "budget_usage": _READ,
    "budgets": Grant(
        insert=ALL,
        update="call_limit reserve source learned_limit foreign_calls foreign_until learned_at",
        delete=True,
    ),
    # Troubles: assigned, muted, resolved and written about; found by servants.
    "anomalies": Grant(update="assigned_to resolved_at resolved_by muted_at muted_until muted_by"),
    "anomaly_accounts": _READ,
    "incidents": Grant(
        update="assigned_to muted_at muted_until muted_by probe_at probe_job_id probe_attempt probe_error resolved_at"
        " resolved_by"
    ),
    "incident_mutes": Grant(insert=ALL, update="muted_at muted_until muted_by", delete=True),
    "trouble_notes": Grant(insert=ALL),
    # People who sign in to the manager, by a password that is checked here. Nobody's name or identity changes.
    "people": Grant(insert=ALL, update="role password_hash password_set_at signed_in_at disabled_at"),
    "sessions": Grant(insert=ALL, update="seen_at", delete=True),
    "api_tokens": Grant(insert=ALL, update="used_at revoked_at"),
    # Members likewise. Nobody's address or account changes, and nobody is deleted but with the account.
    "members": Grant(insert=ALL, update="name role invited_by password_hash joined_at signed_in_at disabled_at"),
    "invitations": Grant(insert=ALL, delete=True),
    "account_sessions": Grant(insert=ALL, update="digest", delete=True),
    # A visit's account, person and reason stay what they were.
    "visits": Grant(
        insert="account_id person_id person_name reason ticket_url state",
        update="state decided_at decided_by began_at expires_at ended_at unmasked",
    ),
    # Added to, and never changed; the number and the moment are the database's. A trigger links each action into the
    # chain, as its owner: this role cannot even read the chain, and so can neither bend it nor continue a bent one.
    "operator_actions": Grant(
        insert="actor_kind actor_id actor_name action target_kind target_id account_id detail address request_id"
    ),
}

#: Jobs are numbered before they are inserted, and bulk operations end at the newest number; the credentials of a
#: connection are sealed for its number. The other tables number their rows themselves.
SEQUENCES = {"jobs_id_seq": "SELECT, USAGE", "connections_id_seq": "USAGE"}

#: Functions of PostgreSQL that the manager calls: one rings the schedulers' bell, the other makes two who send one form
#: take turns. Where a superuser has closed them to everybody, this role has them from the owner.
CATALOGUE_FUNCTIONS = ("pg_notify(text, text)", "pg_advisory_xact_lock(bigint)")
