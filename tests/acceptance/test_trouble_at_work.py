"""What happens to messages that say nothing, and what an operator reads when a customer's server misbehaves."""

from __future__ import annotations

import base64
import json
import os
import re
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.support.bad_caldav_server import Reply, bad_server
from tests.support.fleet import ECHO, Fleet, fleet
from tests.support.product import Done, Product, eventually, quiet_port

pytestmark = pytest.mark.timeout(240)

CALENDAR = "calendar.sync"

HTML = {"Content-Type": "text/html; charset=utf-8"}

#: By the names of the accounts that have them. `Silence` comes first, for it takes longest to be noticed.
SERVERS = {
    "Silence": Reply(then="hang"),
    "Nonsense": Reply(status=200, body=b"<html><p>Welcome!</p></html>", headers=HTML),
    "Garbage": Reply(status=207, body=b"<multistatus", headers=HTML),
    "Refusal": Reply(status=401, headers={"WWW-Authenticate": 'Basic realm="calendars"'}),
    "Failure": Reply(status=500, body=b"oh no", headers=HTML),
}

#: What is said of each, by `connections test` and by its sync job.
SENTENCES = {
    "Nonsense": "answered 200 with text/html; expected 207 with a CalDAV multistatus. Is this the address of a CalDAV",
    "Garbage": "answered 207 with a body that is not well-formed XML",
    "Refusal": "answered 401: the sign-in was refused. Check the user name and password",
    "Failure": "answered 500: the server failed; its own log knows why",
    "Nobody": "Connection refused",
}

#: As long as a sync waits for a server's next word, and then some.
SILENCE_SECONDS = 60 + 30


class Outpost:
    """A fleet, the command line beside it, and its queues."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.retinue = Product(fleet.machine.directory, Path(sys.executable).with_name("retinue"))
        self.retinue.environment |= fleet.machine.environment
        self.sqs: Any = boto3.client(
            "sqs",
            endpoint_url=fleet.machine.sqs_url,
            region_name="us-east-1",
            aws_access_key_id="retinue",
            aws_secret_access_key="retinue",
        )

    def add_connection(self, account: str, url: str) -> int:
        """An account with a CalDAV connection, whose first sync is due at once."""
        self.retinue.say("accounts", "add", account)
        added = self.retinue.json(
            *("connections", "add", "caldav", "--account", account, "--url", url),
            *("--username", "ada", "--password-stdin", "--every", "1h"),
            stdin="s3cret-word\n",
        )
        return int(added["connection_id"])

    def sync_job(self, account: str) -> int:
        """The job that syncs the account's connection."""
        query = "SELECT jobs.id FROM jobs JOIN accounts ON accounts.id = account_id WHERE name = %s AND type = %s"
        ((job,),) = eventually(lambda: self.fleet.rows(query, account, CALENDAR), bool, seconds=30, what="job")
        return int(str(job))

    def why(self, job: int, *words: str, seconds: float = 30) -> str:
        """What `jobs why` says of a job that was tried, once it holds all of these words."""
        tried = "SELECT count(*) FROM job_events WHERE job_id = %s AND from_state = 'running'"
        # The command takes a second of a processor each time.
        self.fleet.wait(lambda: self.fleet.number(tried, job), "the first try", seconds)
        return eventually(
            lambda: self.retinue.say("jobs", "why", job),
            lambda said: all(word in said for word in words),
            seconds=seconds,
            what=" and ".join(words),
        )

    def queue(self, job_type: str, suffix: str = "") -> str:
        name = f"retinue-local-{job_type.replace('.', '-')}{suffix}"
        return str(self.sqs.get_queue_url(QueueName=name)["QueueUrl"])

    def depth(self, url: str) -> int:
        """Messages of the queue, those in flight included."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        return sum(int(found[name]) for name in names)

    def assert_echo_works(self) -> None:
        """The servant still does its work."""
        (job,) = self.fleet.enqueue({"message": "still here"})
        completed = "SELECT count(*) FROM job_history WHERE id = %s AND state = 'completed'"
        self.fleet.wait(lambda: self.fleet.number(completed, job), "the echo")

    def log_line(self, servant: str, event: str) -> dict[str, Any]:
        """The first line of a servant's log with this event."""
        found = eventually(
            lambda: [line for line in self.fleet.log(servant).splitlines() if f'"{event}"' in line],
            bool,
            seconds=20,
            what=event,
        )
        line: dict[str, Any] = json.loads(found[0])
        return line


@pytest.fixture(scope="module")
def outpost() -> Iterator[Outpost]:
    """A scheduler, a servant for calendars and one that echoes."""
    with fleet() as made:
        made.start_scheduler()
        made.start_servant("calendars", CALENDAR)
        made.start_servant("echo", ECHO)
        made.wait(lambda: made.number("SELECT count(*) FROM servants WHERE received_at IS NOT NULL") == 2, "servants")
        yield Outpost(made)


@pytest.fixture(scope="module")
def connections(outpost: Outpost) -> Iterator[dict[str, int]]:
    """A connection to each server that misbehaves, by account. Their syncs are under way."""
    with ExitStack() as servers:
        urls = {name: servers.enter_context(bad_server(reply)).url for name, reply in SERVERS.items()}
        urls["Nobody"] = f"http://127.0.0.1:{quiet_port()}/"
        # Each command waits mostly for its own start.
        with ThreadPoolExecutor(2) as pool:
            numbers = list(pool.map(outpost.add_connection, urls, urls.values()))
        yield dict(zip(urls, numbers, strict=True))


@pytest.fixture(scope="module", autouse=True)
def silence(outpost: Outpost, connections: dict[str, int]) -> Iterator[Future[Done]]:
    """What is said of the server that never answers. It is waited for while the other tests run."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(outpost.retinue.run, "connections", "test", connections["Silence"])


@pytest.mark.parametrize("account", SENTENCES)
def test_a_connection_test_says_what_is_wrong(outpost: Outpost, connections: dict[str, int], account: str) -> None:
    done = outpost.retinue.run("connections", "test", connections[account])
    assert done.status == 1
    (failed,) = [line for line in done.out.splitlines() if line.startswith("failed")]
    assert failed.split()[1] == ("network" if account == "Nobody" else "sign-in")
    assert SENTENCES[account] in failed
    assert "s3cret-word" not in done.out + done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("account", [name for name in SENTENCES if name != "Refusal"])
def test_a_sync_with_a_server_that_fails_is_tried_again(
    outpost: Outpost, connections: dict[str, int], account: str
) -> None:
    job = outpost.sync_job(account)
    # It waits for its next try, or, after some, for the breaker.
    said = outpost.why(job, f"Job {job} is pending.", SENTENCES[account])
    assert (
        " of 10, because the last one failed: " in said
        or f"The breaker of connection:{connections[account]} is open" in said
    )
    shown = outpost.retinue.say("jobs", "show", job)
    assert SENTENCES[account] in shown
    assert re.search(r" 1 +running → pending +retry ", shown), shown
    assert "s3cret-word" not in said + shown


def test_a_sync_whose_sign_in_is_refused_parks_its_lane(outpost: Outpost, connections: dict[str, int]) -> None:
    number = connections["Refusal"]
    said = outpost.why(outpost.sync_job("Refusal"), "is parked by an incident since")
    assert f"The lane connection_id:{number} is parked by an incident since" in said
    assert SENTENCES["Refusal"] in said
    assert f"`retinue connections test {number}` resumes the lane" in said
    assert "CredentialError" in outpost.retinue.say("jobs", "show", outpost.sync_job("Refusal"))
    (line,) = outpost.retinue.json("connections", "list", "--account", "Refusal")["connections"]
    assert line["parked_at"] is not None
    doctor = outpost.retinue.run("doctor").out
    assert f"warning  paused lanes  calendar.sync connection_id:{number}: " in doctor


def test_a_message_that_says_nothing_lands_in_the_dead_letter_queue(outpost: Outpost) -> None:
    queue, dead = outpost.queue(ECHO), outpost.queue(ECHO, "-dead")
    outpost.sqs.send_message(QueueUrl=queue, MessageBody="What a lovely day!")

    eventually(lambda: outpost.depth(dead), lambda depth: depth == 1, seconds=20, what="dead letter")

    eventually(lambda: outpost.depth(queue), lambda depth: depth == 0, seconds=20, what="empty queue")
    (letter,) = outpost.sqs.receive_message(QueueUrl=dead, MessageAttributeNames=["All"], VisibilityTimeout=0)[
        "Messages"
    ]
    assert letter["Body"] == "What a lovely day!"
    assert letter["MessageAttributes"]["reason"]["StringValue"].startswith("the body is not JSON")
    assert "not JSON" in outpost.log_line("echo", "message_rejected")["problem"]
    doctor = outpost.retinue.run("doctor").out
    assert "warning  dead letters  retinue-local-system-echo-dead holds 1 message that could not be read." in doctor
    outpost.assert_echo_works()


def test_an_unknown_job_in_a_message_is_dropped_and_logged(outpost: Outpost) -> None:
    queue, dead = outpost.queue(ECHO), outpost.queue(ECHO, "-dead")
    letters = outpost.depth(dead)
    outpost.sqs.send_message(QueueUrl=queue, MessageBody='{"v": 1, "ids": [987654321]}')

    assert outpost.log_line("echo", "claim_missed")["first"] == [987654321]
    eventually(lambda: outpost.depth(queue), lambda depth: depth == 0, seconds=20, what="empty queue")

    assert outpost.depth(dead) == letters
    said = outpost.retinue.refusal("jobs", "show", 987654321, status=1)
    assert said.startswith("Error: There is no job 987654321.")
    outpost.assert_echo_works()


def test_credentials_sealed_with_another_key() -> None:
    with fleet() as made:
        outpost = Outpost(made)
        number = outpost.add_connection("Ada", f"http://127.0.0.1:{quiet_port()}/")
        other = base64.b64encode(os.urandom(32)).decode()
        (made.machine.directory / "keys").write_text(f"k9:{other}\n")

        done = outpost.retinue.run("doctor")
        assert done.status == 1
        (line,) = [line for line in done.out.splitlines() if line.startswith("failed   secret key")]
        assert "1 of 1 connection cannot be opened" in line
        assert "Configure the key that sealed them, or enter the credentials anew." in done.out

        made.start_scheduler()
        made.start_servant("calendars", CALENDAR)
        said = outpost.why(outpost.sync_job("Ada"), "is parked by an incident since")
        assert f"the credentials of connection {number} cannot be opened" in said
        assert f"`retinue connections password {number}` takes a new password." in said
        refused = outpost.retinue.refusal("connections", "test", number, status=78)
        assert "Error: " in refused
        assert other not in done.out + said + refused


def test_a_server_that_never_answers_is_given_up(outpost: Outpost, silence: Future[Done]) -> None:
    done = silence.result()
    assert done.status == 1
    assert "no answer within the time allowed" in done.out

    said = outpost.why(outpost.sync_job("Silence"), "no answer within the time allowed", seconds=SILENCE_SECONDS)
    # It waits for its next try or runs it, and says either way how the last one ended.
    assert " of 10, because the last one failed: TransientError: PROPFIND " in said or (
        " One before it ended with TransientError: PROPFIND " in said
    )
