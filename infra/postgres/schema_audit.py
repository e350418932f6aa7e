"""The tables of the audit: what operators did, and the chain of hashes that shows whether it was tampered with.

An action is written down where it is done, and linked into the chain when its transaction commits: a deferred trigger
hashes it together with the link before. Were it linked at once, the lock on the chain's head would be held from a
transaction's first action to its end: all who act would wait for the slowest, and two that lock a job and the head in
different order would deadlock. At the commit nothing is waited for any more but the head, which is held until the
commit is on disk.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Column, Index, LargeBinary, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from infra.postgres.audit import ActorKind
from infra.postgres.schema import ACCOUNT_TABLES, identity_column, metadata, moment_column, within_range

_KINDS = ", ".join(f"'{kind}'" for kind in ActorKind)

# Written in the transaction of the action itself, and never again. Names are as they were that day.
operator_actions = Table(
    "operator_actions",
    metadata,
    identity_column(),
    moment_column("at", nullable=False, default_now=True),
    # Which person or token it was; null for the command line, and for the settings' user before its first sign-in.
    Column("actor_kind", Text, nullable=False),
    Column("actor_id", BigInteger),
    Column("actor_name", Text, nullable=False),
    # A verb and its object, as `job.retry`.
    Column("action", Text(collation="C"), nullable=False),
    Column("target_kind", Text(collation="C"), nullable=False),
    Column("target_id", Text(collation="C")),
    Column("account_id", BigInteger),
    Column("detail", JSONB, nullable=False, server_default=text("'{}'")),
    Column("address", Text),
    Column("request_id", Text),
    CheckConstraint(f"actor_kind IN ({_KINDS})", name="actor_kind"),
    CheckConstraint("length(action) BETWEEN 1 AND 80", name="action_length"),
    CheckConstraint("length(target_id) <= 400", name="target_length"),
    CheckConstraint(within_range("at"), name="at_range"),
)
Index("operator_actions_by_target", operator_actions.c.target_kind, operator_actions.c.target_id, operator_actions.c.id)

# No foreign key: a link that stays behind is the evidence of an action that was taken out.
audit_chain = Table(
    "audit_chain",
    metadata,
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("action_id", BigInteger, nullable=False, unique=True),
    # SHA-256 of the chain of the position before, followed by the action's bytes.
    Column("chain", LargeBinary, nullable=False),
    CheckConstraint("position > 0", name="position"),
    CheckConstraint("length(chain) = 32", name="chain"),
)

# One row, made by the first action: where the chain ends. Whoever lengthens it holds the row's lock.
audit_head = Table(
    "audit_head",
    metadata,
    Column("one", Boolean, primary_key=True, server_default=text("true")),
    Column("position", BigInteger, nullable=False),
    Column("chain", LargeBinary, nullable=False),
    CheckConstraint("one", name="one"),
    CheckConstraint("length(chain) = 32", name="chain"),
)

# Each value stands behind its length in bytes, so that no two rows have the same bytes; a dash is null.
# `infra.postgres.audit_chain` computes the same without asking the database.
_BYTES = """CREATE FUNCTION audit_bytes(action operator_actions) RETURNS bytea LANGUAGE sql STABLE AS $$
    SELECT convert_to(
        string_agg(coalesce(length(convert_to(value, 'UTF8')) || ':' || value, '-'), ',' ORDER BY number), 'UTF8'
    )
    FROM unnest(ARRAY[
        action.id::text, to_char(action.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        action.actor_kind, action.actor_id::text, action.actor_name,
        action.action, action.target_kind, action.target_id, action.account_id::text,
        action.detail::text, action.address, action.request_id
    ]) WITH ORDINALITY AS piece (value, number)
$$"""

# The first of a transaction's actions takes the others along: the head would otherwise have as many dead versions as
# there are actions, and each update would look through them all. It takes none that came past the triggers before: that
# such a row has no link is what gives it away.
# A session may have planned this when the tables were small; it must not read all of them later, under the head's lock.
# Therefore one row is looked up at a time, and by index.
# It runs as its owner: whoever acts adds the action and has no right of any kind on the chain and its head.
_CHAIN = """CREATE FUNCTION chain_operator_actions() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE head audit_head; done operator_actions;
BEGIN
    IF EXISTS (SELECT FROM audit_chain WHERE action_id = NEW.id) THEN
        RETURN NULL;
    END IF;
    INSERT INTO audit_head (position, chain) SELECT 0, decode(repeat('00', 32), 'hex')
    WHERE NOT EXISTS (SELECT FROM audit_head) AND NOT EXISTS (SELECT FROM audit_chain) ON CONFLICT DO NOTHING;
    SELECT * INTO head FROM audit_head FOR UPDATE;
    IF head.position IS NULL THEN
        RAISE EXCEPTION 'the audit has lost its head: audit_head is empty, audit_chain is not'
        USING ERRCODE = 'data_corrupted', HINT = 'Restore both tables from a backup.';
    END IF;
    FOR done IN
        SELECT * FROM operator_actions
        WHERE id >= NEW.id AND (id = NEW.id OR xmin = pg_current_xact_id()::xid)
        ORDER BY id
    LOOP
        CONTINUE WHEN EXISTS (SELECT FROM audit_chain WHERE action_id = done.id);
        head.position := head.position + 1;
        head.chain := sha256(head.chain || audit_bytes(done));
        INSERT INTO audit_chain (position, action_id, chain) VALUES (head.position, done.id, head.chain);
    END LOOP;
    UPDATE audit_head SET position = head.position, chain = head.chain WHERE position < head.position;
    RETURN NULL;
END $$"""

_KEEP = """CREATE FUNCTION keep_audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'restrict_violation', MESSAGE = TG_TABLE_NAME || ' ' || TG_ARGV[0];
END $$"""


_ONLY_ADDED = "FOR EACH STATEMENT EXECUTE FUNCTION keep_audit('is only ever added to')"
_BY_HAND = (
    "FOR EACH STATEMENT WHEN (pg_trigger_depth() = 0)"
    " EXECUTE FUNCTION keep_audit('is written when an action commits, and in no other way')"
)

#: What SQLAlchemy has no words for. These triggers refuse everybody, the tables' owner too.
STATEMENTS = (
    _BYTES,
    _CHAIN,
    "CREATE CONSTRAINT TRIGGER chain AFTER INSERT ON operator_actions DEFERRABLE INITIALLY DEFERRED"
    " FOR EACH ROW EXECUTE FUNCTION chain_operator_actions()",
    _KEEP,
    f"CREATE TRIGGER keep BEFORE UPDATE OR DELETE OR TRUNCATE ON operator_actions {_ONLY_ADDED}",
    f"CREATE TRIGGER keep BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_chain {_ONLY_ADDED}",
    f"CREATE TRIGGER keep BEFORE DELETE OR TRUNCATE ON audit_head {_ONLY_ADDED}",
    f"CREATE TRIGGER by_itself BEFORE INSERT ON audit_chain {_BY_HAND}",
    f"CREATE TRIGGER by_itself BEFORE INSERT OR UPDATE ON audit_head {_BY_HAND}",
    "CREATE TRIGGER forward BEFORE UPDATE ON audit_head FOR EACH ROW WHEN (NEW.position <= OLD.position)"
    " EXECUTE FUNCTION keep_audit('only moves forward')",
)

ACCOUNT_TABLES += ["operator_actions"]
