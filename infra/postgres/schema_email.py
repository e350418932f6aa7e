"""The tables that `email.sync` fills: mailboxes, messages and where they lie, threads, participants, attachments."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

# Importing it adds the table that participants refer to.
from infra.postgres import schema_contacts as _contacts  # noqa: F401
from infra.postgres.schema import ACCOUNT_TABLES, identity_column, metadata, moment_column

#: The most that is kept of a message that could not be read, in bytes.
MAX_RAW = 256 * 1024


def _reference(name: str, target: str) -> Column[int]:
    return Column(name, BigInteger, ForeignKey(target, ondelete="CASCADE"), nullable=False)


def _account() -> Column[int]:
    """The account of a row whose owner, to which it refers, belongs to that account and takes it along."""
    return Column("account_id", BigInteger, nullable=False)


def _flag(name: str) -> Column[bool]:
    return Column(name, Boolean, nullable=False, server_default=text("false"))


def _count(name: str) -> Column[int]:
    return Column(name, Integer, nullable=False, server_default=text("0"))


# A folder on the server; the numbers are those up to which it is in step (RFC 9051 §2.3.1, RFC 7162).
mailboxes = Table(
    "mailboxes",
    metadata,
    identity_column(),
    _reference("account_id", "accounts.id"),
    _reference("connection_id", "connections.id"),
    Column("name", Text, nullable=False),
    Column("delimiter", Text),
    Column("role", Text),
    # MAILBOXID (RFC 8474), which outlives a rename.
    Column("object_id", Text),
    Column("selectable", Boolean, nullable=False, server_default=text("true")),
    Column("uid_validity", BigInteger),
    Column("uid_next", BigInteger),
    Column("highest_modseq", BigInteger),
    Column("messages", Integer),
    Column("unseen", Integer),
    _count("validity_changes"),
    # By UID that the server would not give: how often it was asked for, and when it is asked again.
    Column("unfetchable", JSONB, nullable=False, server_default=text("'{}'")),
    moment_column("synced_at"),
    moment_column("compared_at"),
    moment_column("created_at", nullable=False, default_now=True),
    moment_column("deleted_at"),
    CheckConstraint(
        "role IN ('inbox', 'sent', 'drafts', 'trash', 'junk', 'archive', 'all', 'flagged')",
        name="role",
    ),
)
# A deleted mailbox keeps its row, and its name is free for another.
Index(
    "mailboxes_live_name",
    mailboxes.c.connection_id,
    mailboxes.c.name,
    unique=True,
    postgresql_where=text("deleted_at IS NULL"),
)

# Messages that header fields or, as a last resort, their subjects tie together.
threads = Table(
    "threads",
    metadata,
    identity_column(),
    _account(),
    _reference("connection_id", "connections.id"),
    # Widened by every message, and never narrowed again.
    moment_column("first_at", nullable=False),
    moment_column("last_at", nullable=False),
    # How many of its messages are live.
    _count("messages"),
    CheckConstraint("first_at <= last_at", name="span"),
    CheckConstraint("messages >= 0", name="counts"),
    postgresql_with={"fillfactor": 80},
)
Index("threads_by_last", threads.c.account_id, threads.c.last_at)
Index("threads_by_connection", threads.c.connection_id)

# Every message identifier that a header named, whether or not its message is there yet.
thread_keys = Table(
    "thread_keys",
    metadata,
    Column("connection_id", BigInteger, nullable=False),
    # The identifier, or its digest where it is too long for an index.
    Column("header_id", Text(collation="C"), nullable=False),
    _account(),
    _reference("thread_id", "threads.id"),
    PrimaryKeyConstraint("connection_id", "header_id"),
    CheckConstraint("octet_length(header_id) <= 1000", name="indexable"),
)
Index("thread_keys_by_thread", thread_keys.c.thread_id)

# Named so because `messages` are those of the queues.
mail_messages = Table(
    "mail_messages",
    metadata,
    identity_column(),
    _account(),
    _reference("connection_id", "connections.id"),
    # What tells whether two placements hold the same message: a digest of its header block and its size.
    Column("identity", Text(collation="C"), nullable=False),
    # No cascade: a thread that has messages cannot go.
    Column("thread_id", BigInteger, ForeignKey("threads.id"), nullable=False),
    Column("message_id", Text),
    Column("in_reply_to", Text),
    Column("reference_ids", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("subject", Text),
    moment_column("sent_at"),
    moment_column("received_at"),
    # The earlier of the two, for a date may be forged into the future; else when the message was first stored.
    moment_column("dated_at", nullable=False),
    # A digest of the subject without its prefixes; null where nothing else is in it.
    Column("subject_key", Text(collation="C")),
    # It answers or forwards, by its subject, and names no message that it answers.
    _flag("orphaned"),
    Column("size", BigInteger, nullable=False),
    Column("body_text", Text),
    Column("body_source", Text),
    Column("problem", Text),
    # The beginning of a message that could not be read.
    Column("raw", LargeBinary),
    moment_column("created_at", nullable=False, default_now=True),
    moment_column("updated_at", nullable=False, default_now=True),
    # It lies in no mailbox any more.
    moment_column("deleted_at"),
    CheckConstraint("octet_length(identity) BETWEEN 1 AND 200", name="indexable"),
    CheckConstraint("size >= 0", name="size"),
    CheckConstraint("body_source IN ('plain', 'html')", name="body_source"),
    CheckConstraint(f"octet_length(raw) <= {MAX_RAW}", name="raw_length"),
    CheckConstraint("NOT orphaned OR subject_key IS NOT NULL", name="orphaned"),
)
Index("mail_messages_by_identity", mail_messages.c.connection_id, mail_messages.c.identity, unique=True)
Index("mail_messages_by_thread", mail_messages.c.thread_id)
Index("mail_messages_by_sent", mail_messages.c.account_id, mail_messages.c.sent_at)
Index(
    "mail_messages_by_subject",
    mail_messages.c.connection_id,
    mail_messages.c.subject_key,
    mail_messages.c.dated_at,
    postgresql_where=text("subject_key IS NOT NULL"),
)
# The few whose conversation may only be found when its other messages arrive.
Index(
    "mail_messages_orphaned",
    mail_messages.c.connection_id,
    mail_messages.c.subject_key,
    mail_messages.c.dated_at,
    postgresql_where=text("orphaned"),
)

# A message lying in a mailbox under a UID.
placements = Table(
    "placements",
    metadata,
    _reference("mailbox_id", "mailboxes.id"),
    Column("uid", BigInteger, nullable=False),
    _account(),
    _reference("message_id", "mail_messages.id"),
    # Sorted, without \Recent.
    Column("flags", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("modseq", BigInteger),
    moment_column("placed_at", nullable=False, default_now=True),
    PrimaryKeyConstraint("mailbox_id", "uid"),
    CheckConstraint("uid > 0", name="uid"),
    # Flags change in place.
    postgresql_with={"fillfactor": 85},
)
Index("placements_by_message", placements.c.message_id)

# Messages that lost a placement since somebody last looked whether they have another, a row for each loss: the
# statement that takes the placement away adds it, so that no crash loses it and nobody waits for anybody's row.
displaced_messages = Table(
    "displaced_messages",
    metadata,
    identity_column(),
    Column("connection_id", BigInteger, nullable=False),
    _reference("message_id", "mail_messages.id"),
    _account(),
)
Index("displaced_messages_by_connection", displaced_messages.c.connection_id)

# Neither this table nor the next has foreign keys: to check those of a message's participants took longer than to
# write the message. Their rows are written with it, in one commit, and go with it by the trigger below.
message_participants = Table(
    "message_participants",
    metadata,
    Column("message_id", BigInteger, nullable=False),
    Column("position", Integer, nullable=False),
    _account(),
    Column("role", Text, nullable=False),
    # Null where the address is none that a contact could have; the name then holds what was written.
    Column("contact_id", BigInteger),
    Column("name", Text),
    # The message's, so that what concerns a contact is found in its order.
    moment_column("dated_at", nullable=False),
    PrimaryKeyConstraint("message_id", "position"),
    CheckConstraint("role IN ('from', 'sender', 'reply_to', 'to', 'cc', 'bcc')", name="role"),
)
Index(
    "message_participants_by_contact",
    message_participants.c.contact_id,
    message_participants.c.dated_at,
    message_participants.c.message_id,
)

# Parts that are no text of the message, by what they are; their bytes stay on the server.
message_attachments = Table(
    "message_attachments",
    metadata,
    Column("message_id", BigInteger, nullable=False),
    Column("position", Integer, nullable=False),
    _account(),
    Column("part", Text, nullable=False),
    Column("filename", Text),
    Column("content_type", Text, nullable=False),
    # Of the decoded bytes; the hash is SHA-256.
    Column("size", BigInteger, nullable=False),
    Column("content_hash", Text, nullable=False),
    Column("content_id", Text),
    _flag("inline"),
    PrimaryKeyConstraint("message_id", "position"),
    CheckConstraint("size >= 0", name="size"),
)

#: What SQLAlchemy has no words for.
STATEMENTS = (
    # To compress a body that is about to be stored took three times as long as all the rest of the message.
    "ALTER TABLE mail_messages ALTER COLUMN body_text SET STORAGE EXTERNAL",
    """CREATE FUNCTION forget_parts_of_messages() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM message_participants AS part USING gone WHERE part.message_id = gone.id;
    DELETE FROM message_attachments AS part USING gone WHERE part.message_id = gone.id;
    RETURN NULL;
END $$""",
    "CREATE TRIGGER forget_parts AFTER DELETE ON mail_messages REFERENCING OLD TABLE AS gone"
    " FOR EACH STATEMENT EXECUTE FUNCTION forget_parts_of_messages()",
)

ACCOUNT_TABLES += [
    "mailboxes",
    "threads",
    "thread_keys",
    "mail_messages",
    "placements",
    "displaced_messages",
    "message_participants",
    "message_attachments",
]
