"""Roles, row-level security and masking views: what of the schema each kind of session sees.

| role | for | sees |
|---|---|---|
| the owner | schedulers, servants, the command line | everything |
| `retinue_operator` | the manager | what `infra.postgres.operator_grants` lists, of all accounts |
| `retinue_account` | members of an account | the rows of the account that `current_account()` tells |
| `retinue_assumed` | operators who have assumed one | the views of the schema `masked`, and nothing else |

The roles cannot log in; `infra.postgres.logins` makes those that can. The views belong to `retinue_masks`, so that
row-level security holds for them too: `assumed_account()` tells which rows.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Column, Table

from infra.postgres.catalogue import ACCOUNT_ROLE, ASSUMED_ROLE, LOGIN_ROLES, MASKS_ROLE, OPERATOR_ROLE
from infra.postgres.masking import MASKED, masked
from infra.postgres.operator_grants import ALL, GRANTS, SEQUENCES, Grant
from infra.postgres.schema import ACCOUNT_TABLES, metadata

#: Columns that nobody needs who looks at an account.
HIDDEN = {
    "api_tokens": {"digest"},
    "connections": {"credentials"},
    "members": {"password_hash"},
    # Where an operator sits is the operator's own matter.
    "operator_actions": {"address"},
}

#: Tables of which a session sees nothing, however it is bound.
CLOSED = {"account_keys", "account_sessions", "invitations"}

# By both: the index has the key, and two addresses may have one. An assumed session can say neither of them.
_CRM_PEOPLE = (
    "SELECT record.account_id, record.connection_id, record.external_id, person.id AS person_id"
    " FROM public.records AS record JOIN public.contacts AS person ON person.account_id = record.account_id"
    " AND person.address_key = record.email_key AND person.address = record.email"
    " WHERE record.kind = 'Contact' AND record.deleted_at IS NULL"
)


def access_statements() -> Iterator[str]:
    """Every statement, in order; the tables are there already."""
    for role in (*LOGIN_ROLES, MASKS_ROLE):
        yield _make(role)
        yield f"GRANT {role} TO CURRENT_USER"
    yield from _functions()
    yield from _policies()
    yield from _operators()
    yield from _masks()
    yield from _crm_people()


def seen_tables() -> list[Table]:
    """Those of which an account sees its rows."""
    return [metadata.tables[name] for name in ("accounts", *ACCOUNT_TABLES) if name not in CLOSED]


def seen_columns(table: Table) -> list[Column[object]]:
    """Those that may be seen at all."""
    return [column for column in table.columns if column.name not in HIDDEN.get(table.name, ())]


def _make(role: str) -> str:
    return (
        f"DO $$ BEGIN CREATE ROLE {role} NOLOGIN; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
    )


def _functions() -> Iterator[str]:
    yield "REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA public FROM PUBLIC"
    yield "ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC"
    yield f"GRANT EXECUTE ON FUNCTION current_account() TO {ACCOUNT_ROLE}"
    yield f"GRANT EXECUTE ON FUNCTION assumed_account() TO {ASSUMED_ROLE}, {MASKS_ROLE}"


def _policies() -> Iterator[str]:
    for name in ("accounts", *ACCOUNT_TABLES):
        yield f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY"
        if name in GRANTS:
            yield f"CREATE POLICY {name}_operators ON {name} TO {OPERATOR_ROLE} USING (true) WITH CHECK (true)"
    for table in seen_tables():
        key = "id" if table.name == "accounts" else "account_id"
        for role, bound in ((ACCOUNT_ROLE, "current_account"), (MASKS_ROLE, "assumed_account")):
            yield f"GRANT SELECT ({', '.join(column.name for column in seen_columns(table))}) ON {table.name} TO {role}"
            # Asked once for a statement, not for each row.
            yield f"CREATE POLICY {table.name}_{bound} ON {table.name} TO {role} USING ({key} = (SELECT {bound}()))"


def _operators() -> Iterator[str]:
    """Partitions are not named: who may read a table may read them through it, those made later too."""
    for name, grant in GRANTS.items():
        yield f"GRANT {', '.join(operator_rights(name, grant))} ON {name} TO {OPERATOR_ROLE}"
    for name, rights in SEQUENCES.items():
        yield f"GRANT {rights} ON SEQUENCE {name} TO {OPERATOR_ROLE}"
    # Alembic makes it, before the first migration; whether the schema is the right one is part of readiness.
    yield (
        "DO $$ BEGIN IF to_regclass('public.alembic_version') IS NOT NULL THEN"
        f" GRANT SELECT ON public.alembic_version TO {OPERATOR_ROLE}; END IF; END $$"
    )


def operator_rights(table: str, grant: Grant) -> list[str]:
    """What is granted, as GRANT takes it: `SELECT`, or `SELECT ("id", "name")`."""
    columns = {
        "SELECT": operator_columns(table, grant.read, but=grant.withheld),
        "INSERT": operator_columns(table, grant.insert),
        "UPDATE": operator_columns(table, grant.update),
    }
    rights = [_on_columns(table, right, names) for right, names in columns.items() if names]
    return rights + (["DELETE"] if grant.delete else [])


def operator_columns(table: str, named: str, *, but: str = "") -> list[str]:
    """The columns that a `Grant` names."""
    every = [column.name for column in metadata.tables[table].columns]
    return [name for name in (every if named == ALL else named.split()) if name not in but.split()]


def _on_columns(table: str, right: str, names: list[str]) -> str:
    if len(names) == len(metadata.tables[table].columns):
        return right
    return f"{right} ({', '.join(map(_quoted, names))})"


def _quoted(name: str) -> str:
    # A word of SQL, as `full` is.
    return f'"{name}"'


def _masks() -> Iterator[str]:
    yield "CREATE SCHEMA masked"
    yield f"GRANT USAGE, CREATE ON SCHEMA masked TO {MASKS_ROLE}"
    yield f"GRANT USAGE ON SCHEMA masked TO {ASSUMED_ROLE}"
    for table in seen_tables():
        kinds = MASKED.get(table.name, {})
        columns = [
            f"{masked(column, kinds[column.name])} AS {column.name}"
            if column.name in kinds
            else f"source.{column.name}"
            for column in seen_columns(table)
        ]
        yield f"CREATE VIEW masked.{table.name} AS SELECT {', '.join(columns)} FROM public.{table.name} AS source"
        yield f"ALTER VIEW masked.{table.name} OWNER TO {MASKS_ROLE}"
        yield f"GRANT SELECT ON masked.{table.name} TO {ASSUMED_ROLE}"


def _crm_people() -> Iterator[str]:
    """Which person has the address of which contact, told without the address or a digest of it."""
    yield f"CREATE VIEW crm_people WITH (security_invoker = true) AS {_CRM_PEOPLE}"
    yield f"GRANT SELECT ON crm_people TO {ACCOUNT_ROLE}"
    yield f"CREATE VIEW masked.crm_people AS {_CRM_PEOPLE}"
    yield f"ALTER VIEW masked.crm_people OWNER TO {MASKS_ROLE}"
    yield f"GRANT SELECT ON masked.crm_people TO {ASSUMED_ROLE}"
    yield f"REVOKE CREATE ON SCHEMA masked FROM {MASKS_ROLE}"
