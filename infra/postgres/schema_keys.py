"""The table of data keys: one for each account, under which what is sealed of the account is sealed."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, LargeBinary, Table

from infra.postgres.schema import ACCOUNT_TABLES, metadata, moment_column

# Wrapped by the master key, see `infra.secrets`. Without its row nothing that was sealed for the account opens again.
account_keys = Table(
    "account_keys",
    metadata,
    Column("account_id", BigInteger, ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True),
    Column("wrapped", LargeBinary, nullable=False),
    moment_column("created_at", nullable=False, default_now=True),
)

ACCOUNT_TABLES += ["account_keys"]
