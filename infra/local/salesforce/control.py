"""Control of the sandbox org from outside its APIs, below /sandbox: the clock, faults, limits, locks and Bulk workers.

None of this is Salesforce's. It needs no session and counts as no call; the server listens on 127.0.0.1 alone.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from flask import Blueprint, Response, jsonify, request

from infra.local.salesforce.control_edits import blueprint as edits
from infra.local.salesforce.control_setup import blueprint as setup
from infra.local.salesforce.control_sign_ins import blueprint as sign_ins
from infra.local.salesforce.faults import Fault
from infra.local.salesforce.parts import Parts


def blueprints(parts: Parts) -> list[Blueprint]:
    """All of the control; what it cannot do it refuses with 400 and the reason in plain text."""
    pages = [_world(parts), _traffic(parts), edits(parts), setup(parts), sign_ins(parts)]
    for page in pages:
        for kind in (LookupError, TypeError, ValueError):
            page.register_error_handler(kind, _refuse)
    return pages


def _refuse(error: Exception) -> Response:
    return Response(f"{type(error).__name__}: {error}", 400, content_type="text/plain")


def _world(parts: Parts) -> Blueprint:
    pages = Blueprint("control_world", __name__, url_prefix="/sandbox")
    org = parts.org

    @pages.get("/clock")
    def clock() -> Response:
        return jsonify({"now": org.clock.now().isoformat()})

    @pages.post("/clock")
    def forward() -> Response:
        body = request.get_json()
        if "set" in body:
            org.clock.set(datetime.fromisoformat(body["set"]))
        else:
            org.clock.advance(timedelta(seconds=body["advance"]))
        parts.clock_file.write_text(str(org.clock.offset.total_seconds()))
        return clock()

    @pages.post("/held")
    def held() -> Response:
        body = request.get_json()
        if body["outcome"] == "commit":
            org.commit_held(body["name"])
        else:
            org.discard_held(body["name"])
        return jsonify([held.name for held in org.held()])

    @pages.post("/locks")
    def lock() -> Response:
        body = request.get_json()
        org.lock_rows(body["name"], body["ids"])
        return jsonify({})

    @pages.delete("/locks/<name>")
    def unlock(name: str) -> Response:
        org.release_rows(name)
        return jsonify({})

    @pages.post("/bulk")
    def bulk() -> Response:
        _steer_bulk(parts, request.get_json())
        return jsonify({})

    return pages


def _steer_bulk(parts: Parts, body: dict[str, Any]) -> None:
    if "paused" in body:
        if body["paused"]:
            parts.runner.pause()
        else:
            parts.runner.resume()
    if "broken_batches" in body:
        parts.ingest.broken_batches = body["broken_batches"]
    if "fail" in body:
        parts.runner.failures.extend([body["fail"]] * body["times"])


def _traffic(parts: Parts) -> Blueprint:
    pages = Blueprint("control_traffic", __name__, url_prefix="/sandbox")
    org = parts.org

    @pages.get("/faults")
    def faults() -> Response:
        return jsonify({"taken": dict(org.faults.taken)})

    @pages.post("/faults")
    def add_fault() -> Response:
        org.faults.add(_fault(request.get_json()))
        return jsonify({})

    @pages.delete("/faults")
    def clear_faults() -> Response:
        org.faults.clear()
        return jsonify({})

    @pages.get("/usage")
    def usage() -> Response:
        return jsonify({"counts": dict(org.usage.counts()), "limits": org.usage.limits()})

    @pages.post("/limits")
    def limit() -> Response:
        body = request.get_json()
        if "max" in body:
            org.usage.set_max(body["pool"], body["max"])
        if "use" in body:
            org.usage.use(body["pool"], body["use"])
        return usage()

    return pages


def _fault(body: dict[str, Any]) -> Fault:
    text = body.get("body")
    return Fault(
        match=body["match"],
        times=body["times"],
        kind=body["kind"],
        status=body["status"],
        body="" if text is None else text if isinstance(text, str) else json.dumps(text),
        seconds=body["seconds"],
        headers=body["headers"],
    )
