"""The transports as the conformance suite sees them: the queues under test, and a hand behind their back."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Protocol

import psycopg

from infra.queues.memory import MemoryQueues
from infra.queues.names import DEAD_SUFFIX, queue_name
from infra.queues.postgres import PostgresQueues
from infra.queues.sqs import SqsQueues, make_client
from infra.queues.transport import QueueOptions, Queues
from retinue.testing.queues import FaultyQueues
from tests.support.moto_server import REGION, MotoServer

ENVIRONMENT = "test"


class Trial(Protocol):
    """A transport on trial."""

    #: Messages of one call, and calls that tell the depth.
    batch: int
    depth_calls: int

    @property
    def queues(self) -> Queues: ...

    def put(self, job_type: str, body: str) -> None:
        """Send a body that no sender of ours would."""

    def refuse(self, identity: int) -> None:
        """From now on the server refuses each message that holds this ID."""

    def lose_everything(self) -> None:
        """The server restarts with an empty memory."""

    def dead_letters(self, job_type: str) -> list[tuple[str, str | None]]:
        """Body and reason of what is in the dead-letter queue."""

    def close(self) -> None: ...


class MemoryTrial:
    """The in-memory twin."""

    batch = 10
    depth_calls = 2

    def __init__(self, options: QueueOptions) -> None:
        self.queues = MemoryQueues(options=options)

    def put(self, job_type: str, body: str) -> None:
        self.queues.put(job_type, body)

    def refuse(self, identity: int) -> None:
        self.queues.refuse = lambda body: identity in json.loads(body)["ids"]

    def lose_everything(self) -> None:
        self.queues.forget()

    def dead_letters(self, job_type: str) -> list[tuple[str, str | None]]:
        return [(letter.body, letter.reason) for letter in self.queues.dead_letters(job_type)]

    def close(self) -> None:
        self.queues.close()


class CalmTrial(MemoryTrial):
    """The double that users' tests have, its faults off."""

    def __init__(self, options: QueueOptions) -> None:
        super().__init__(options)
        self.queues = FaultyQueues(options=options)


class SqsTrial:
    """The real client on moto's server."""

    batch = 10
    depth_calls = 2

    def __init__(self, server: MotoServer, prefix: str, options: QueueOptions) -> None:
        self.server = server
        self.prefix = prefix
        self.client = make_client(server.url, REGION)
        self.queues = SqsQueues(self.client, prefix=prefix, environment=ENVIRONMENT, options=options)

    def put(self, job_type: str, body: str) -> None:
        self.server.ask("SendMessage", QueueUrl=self.url(job_type), MessageBody=body)

    def refuse(self, identity: int) -> None:
        def delay_too_long(params: Any, **_: object) -> None:
            for entry in params["Entries"]:
                if identity in json.loads(entry["MessageBody"])["ids"]:
                    entry["DelaySeconds"] = 1000  # what moto refuses entry by entry

        self.client.meta.events.register("provide-client-params.sqs.SendMessageBatch", delay_too_long)

    def lose_everything(self) -> None:
        self.server.restart()

    def dead_letters(self, job_type: str) -> list[tuple[str, str | None]]:
        url = self.url(job_type) + DEAD_SUFFIX
        reply = self.server.ask(
            "ReceiveMessage", QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], WaitTimeSeconds=0
        )
        return [(letter["Body"], _reason(letter)) for letter in reply.get("Messages", [])]

    def attributes(self, job_type: str, suffix: str = "") -> dict[str, str]:
        """What the queue was made with."""
        reply = self.server.ask("GetQueueAttributes", QueueUrl=self.url(job_type) + suffix, AttributeNames=["All"])
        return dict(reply["Attributes"])

    def url(self, job_type: str) -> str:
        return f"{self.server.url}/123456789012/{queue_name(self.prefix, ENVIRONMENT, job_type)}"

    def close(self) -> None:
        self.queues.close()


class PostgresTrial:
    """Tables of a real server."""

    batch = 1_000_000
    depth_calls = 1

    def __init__(self, url: str, options: QueueOptions) -> None:
        self.queues = PostgresQueues(url, options=options)
        self._sql = psycopg.connect(url, autocommit=True)

    def put(self, job_type: str, body: str) -> None:
        self._sql.execute("INSERT INTO messages (type, body) VALUES (%s, %s)", (job_type, body))

    def refuse(self, identity: int) -> None:
        taken = f"CASE WHEN (NEW.body::jsonb -> 'ids') @> '{identity}' THEN NULL ELSE NEW END"
        function = "CREATE FUNCTION pg_temp.refuse() RETURNS trigger LANGUAGE plpgsql AS"
        self._sql.execute(f"{function} $$ BEGIN RETURN {taken}; END $$".encode())
        self._sql.execute(
            "CREATE TRIGGER refuse BEFORE INSERT ON messages FOR EACH ROW EXECUTE FUNCTION pg_temp.refuse()"
        )

    def lose_everything(self) -> None:
        self._sql.execute("TRUNCATE queues, messages, dead_messages")

    def dead_letters(self, job_type: str) -> list[tuple[str, str | None]]:
        rows = self._sql.execute("SELECT body, reason FROM dead_messages WHERE type = %s ORDER BY id", (job_type,))
        return [(body, reason) for body, reason in rows]

    def close(self) -> None:
        self.queues.close()
        self._sql.execute("DROP TRIGGER IF EXISTS refuse ON messages")
        self._sql.close()


#: Makes a transport on trial with these options.
MakeTrial = Callable[[QueueOptions], Trial]


def _reason(letter: dict[str, Any]) -> str | None:
    attribute = letter.get("MessageAttributes", {}).get("reason")
    return str(attribute["StringValue"]) if attribute else None
