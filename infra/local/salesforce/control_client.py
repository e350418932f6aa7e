"""What a test or the demo does to the sandbox org behind the back of its APIs, over HTTP.

    control = Control("http://127.0.0.1:8650")
    control.clock_forward(hours=2)
    control.fault("GET /services/data/.*/query", status=503, times=2)
    with control.held("late") as late:
        late.update("Account", [{"Id": account, "Name": "Late"}])
    control.commit("late")

Nothing of it needs a session or counts as a call.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Literal

import requests

from infra.local.salesforce.control_records import Records
from infra.local.salesforce.control_values import ControlRefused, Done, FaultKind, NewApp, NewUser, Usage

__all__ = ["Control", "ControlRefused", "Done", "NewApp", "NewUser", "Records", "Usage"]


class Control(Records):
    """The whole of it; as `Records` it edits as the admin, in transactions that commit at once."""

    def __init__(self, url: str, *, timeout: float = 60) -> None:
        super().__init__(self)
        self._url = url.rstrip("/")
        self._timeout = timeout
        self._http = requests.Session()
        # No proxy of the environment between the test and its sandbox.
        self._http.trust_env = False

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def post(self, path: str, /, **body: Any) -> Any:
        return self._call("POST", path, json=body)

    def get(self, path: str) -> Any:
        return self._call("GET", path)

    def delete_at(self, path: str) -> Any:
        return self._call("DELETE", path)

    def _call(self, method: str, path: str, **options: Any) -> Any:
        answer = self._http.request(method, f"{self._url}/sandbox/{path}", timeout=self._timeout, **options)
        if not answer.ok:
            raise ControlRefused(f"{method} {path}: {answer.status_code} {answer.text.strip()[:500]}")
        return answer.json()

    # -- time

    def now(self) -> datetime:
        """What time it is in the org."""
        return datetime.fromisoformat(self.get("clock")["now"])

    def clock_forward(self, **span: float) -> datetime:
        """Go forward by a `timedelta` of these arguments; the new time."""
        return datetime.fromisoformat(self.post("clock", advance=timedelta(**span).total_seconds())["now"])

    # -- records

    def as_user(self, username: str) -> Records:
        """Edit as this user."""
        return Records(self, user=username)

    def held(self, name: str, *, user: str | None = None) -> Records:
        """Edit in a transaction that is stamped now and visible after `commit(name)`."""
        return Records(self, user=user, hold=name)

    def commit(self, name: str) -> None:
        """Make a held transaction visible."""
        self.post("held", name=name, outcome="commit")

    def discard(self, name: str) -> None:
        """Drop a held transaction."""
        self.post("held", name=name, outcome="discard")

    def lock(self, name: str, ids: Sequence[str]) -> None:
        """Hold row locks: edits of these rows get UNABLE_TO_LOCK_ROW until `unlock(name)`."""
        self.post("locks", name=name, ids=ids)

    def unlock(self, name: str) -> None:
        """Release row locks."""
        self.delete_at(f"locks/{name}")

    def empty_bins(self) -> int:
        """Purge what lies in the recycle bin for more than 15 days; how many rows."""
        return int(self.post("empty_bins")["purged"])

    def purge_log(self, sobject: str, before: datetime) -> None:
        """Forget the deletes of an object before a moment, as the job does that keeps the log small."""
        self.post("purge_log", object=sobject, before=before.isoformat())

    def seed(self, sobject: str, rows: int, *, seed: int = 0) -> int:
        """Add made-up rows fast, past the rules; how many there are."""
        return int(self.post("seed", object=sobject, rows=rows, seed=seed)["rows"])

    def rows(self, sobject: str, *, user: str | None = None) -> Iterator[dict[str, Any]]:
        """Every row that is visible, those in the recycle bin too, with all fields its reader may see, by Id."""
        query = {"user": user} if user else {}
        url = f"{self._url}/sandbox/rows/{sobject}"
        with self._http.get(url, params=query, stream=True, timeout=self._timeout) as answer:
            if not answer.ok:
                raise ControlRefused(f"rows of {sobject}: {answer.status_code} {answer.text.strip()[:500]}")
            for line in answer.iter_lines(chunk_size=1 << 16):
                yield json.loads(line)

    # -- faults and limits

    def fault(
        self,
        match: str,
        *,
        kind: FaultKind = "answer",
        times: int = 1,
        status: int = 503,
        body: Any = None,
        seconds: float = 0,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Do this to the next `times` requests whose `METHOD /path?query` fits the regular expression `match`."""
        self.post(
            "faults",
            match=match,
            kind=kind,
            times=times,
            status=status,
            body=body,
            seconds=seconds,
            headers=dict(headers or {}),
        )

    def error(self, match: str, status: int, code: str, message: str, *, times: int = 1) -> None:
        """Answer the next requests with an error in the REST API's shape."""
        self.fault(match, status=status, body=[{"message": message, "errorCode": code}], times=times)

    def clear_faults(self) -> None:
        """Undo faults that did not happen yet."""
        self.delete_at("faults")

    def faults_taken(self) -> dict[str, int]:
        """How often faults happened, by their kind."""
        return dict(self.get("faults")["taken"])

    def usage(self) -> Usage:
        """What was used of the org's API."""
        told = self.get("usage")
        return Usage(told["counts"], told["limits"])

    def set_limit(self, pool: str, maximum: int) -> None:
        """The size of a pool of /limits, such as DailyApiRequests."""
        self.post("limits", pool=pool, max=maximum)

    def use(self, pool: str, amount: int) -> None:
        """Use some of a pool, as the customer's other tools do."""
        self.post("limits", pool=pool, use=amount)

    # -- metadata and permissions

    def add_object(self, name: str, fields: Sequence[Mapping[str, Any]] = ()) -> None:
        """Make a custom object; each field names `name`, `type` and what `metadata.new_field` takes."""
        self.post("objects", name=name, fields=list(fields))

    def remove_object(self, name: str) -> None:
        self.delete_at(f"objects/{name}")

    def add_field(self, sobject: str, name: str, kind: str, **about: Any) -> None:
        """Add a field of Salesforce's type `kind`."""
        self.post(f"objects/{sobject}/fields", name=name, type=kind, **about)

    def remove_field(self, sobject: str, name: str) -> None:
        self.delete_at(f"objects/{sobject}/fields/{name}")

    def retype_field(self, sobject: str, name: str, kind: str, **about: Any) -> None:
        """Change a field's type, and its values where they do not fit."""
        self.post(f"objects/{sobject}/fields/{name}", type=kind, **about)

    def set_formula(self, sobject: str, name: str, formula: str) -> None:
        """Change a formula: the values change, and no stamp does."""
        self.post(f"objects/{sobject}/fields/{name}", formula=formula)

    def allow(self, username: str, sobject: str, field: str | None = None, **rights: bool) -> None:
        """Give or take `read`, `create`, `edit`, `delete` of an object, or `read`, `edit` of a field.

        For all users of this one's profile.
        """
        self.post("permissions", user=username, object=sobject, field=field, rights=rights)

    def allow_system(self, username: str, name: str, *, on: bool) -> None:
        """Give or take a system permission of a user's profile, such as `api_enabled`."""
        self.post("permissions", user=username, system=name, on=on)

    # -- sign-ins

    def add_user(self, user: NewUser) -> str:
        """Make a user who may sign in; the Id."""
        return str(self.post("users", **asdict(user))["id"])

    def set_active(self, username: str, *, active: bool) -> None:
        """Let a user in, or out."""
        self.post(f"users/{username}", active=active)

    def set_app(self, app: NewApp) -> None:
        """Add a connected app, or change it."""
        self.post("apps", **asdict(app))

    def set_app_state(self, client_id: str, state: Literal["installed", "uninstalled", "blocked"]) -> None:
        """Install, uninstall or block an app."""
        self.post(f"apps/{client_id}", state=state)

    def approve(self, client_id: str, username: str) -> None:
        """Let an app act for a user."""
        self.post(f"apps/{client_id}", approve=username)

    def authorize(self, client_id: str, username: str, *, scopes: str = "api id refresh_token") -> Mapping[str, str]:
        """What the web flow ends with: `access_token` and `refresh_token`."""
        return dict(self.post(f"apps/{client_id}", authorize=username, scopes=scopes))

    def sign_in(self, username: str) -> str:
        """A session of a user; the token."""
        return str(self.post(f"users/{username}", sign_in=True)["token"])

    def revoke(self, username: str) -> int:
        """End every grant of a user; how many."""
        return int(self.post(f"users/{username}", revoke=True)["revoked"])

    def end_sessions(self) -> int:
        """End every session; how many."""
        return int(self.post("sessions", end=True)["ended"])

    def set_session_seconds(self, seconds: float) -> None:
        """How long new sessions live."""
        self.post("sessions", seconds=seconds)

    def revoked_families(self) -> int:
        """How many families of refresh tokens were ended so far."""
        return int(self.get("sessions")["revoked_families"])

    # -- Bulk

    def pause_bulk(self) -> None:
        """Let jobs of Bulk API 2.0 wait until `resume_bulk`."""
        self.post("bulk", paused=True)

    def resume_bulk(self) -> None:
        self.post("bulk", paused=False)

    def break_batches(self, tries: int) -> None:
        """Let the next so many tries of an ingest batch go wrong as a whole."""
        self.post("bulk", broken_batches=tries)

    def fail_bulk_job(self, message: str, *, times: int = 1) -> None:
        """Let the next jobs end as Failed with this message."""
        self.post("bulk", fail=message, times=times)
