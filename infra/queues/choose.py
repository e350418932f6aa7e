"""The transport that the settings choose. What only the other one needs is not imported: it is most of its memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from infra.queues.transport import Queues
    from infra.settings import Settings


def queues_from(settings: Settings, *, database_url: str | None = None) -> Queues:
    """The queues on the transport named by `RETINUE_TRANSPORT`; it asks nothing yet.

    Those in PostgreSQL are entered by `database_url` where it is not to be the settings' own.
    """
    if settings.transport == "postgres":
        from infra.queues.postgres import PostgresQueues

        return PostgresQueues(database_url or settings.database_url)
    from infra.queues.sqs import SqsQueues

    return SqsQueues.from_settings(settings)
