"""The manager's own metrics, and where Prometheus finds those of the other processes.

Both ask for the manager's user and password, as the JSON does. The list has the form that `http_sd_configs` reads
(Prometheus documentation, "HTTP service discovery").
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from typing import Any

from flask import Blueprint, Response, jsonify, request
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from infra.hosts import is_loopback
from infra.postgres.metrics_targets import Target
from manager.roles import Role, requires


class RequestMetrics:
    """Counts answers."""

    def __init__(self) -> None:
        self._requests = Counter(
            "retinue_manager_requests", "Requests answered.", ["endpoint", "status"], registry=None
        )

    @property
    def collectors(self) -> tuple[Collector, ...]:
        return (self._requests,)

    def count(self, response: Response) -> Response:
        """For Flask's `after_request`."""
        self._requests.labels(request.endpoint or "none", str(response.status_code)).inc()
        return response


def metrics_blueprint(
    registry: CollectorRegistry, targets: Callable[[], Iterable[Target]], *, metrics_host: str
) -> Blueprint:
    """`/metrics` and `/metrics/targets`."""
    blueprint = Blueprint("metrics", __name__)

    @blueprint.get("/metrics")
    @requires(Role.VIEWER)
    def own() -> Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return Response(encode(registry), content_type=content_type)

    @blueprint.get("/metrics/targets")
    @requires(Role.VIEWER)
    def others() -> Response:
        here = socket.gethostname()
        shown = [_group(target, metrics_host) for target in targets() if _reachable(target, metrics_host, here)]
        return jsonify(shown)

    return blueprint


def _reachable(target: Target, metrics_host: str, here: str) -> bool:
    """What listens on loopback is reached from its own machine alone."""
    return not is_loopback(metrics_host) or target.host == here


def _group(target: Target, metrics_host: str) -> dict[str, Any]:
    # What listens on other addresses is found by its machine's name.
    host = metrics_host if is_loopback(metrics_host) else target.host
    labels = {"process": target.process, "host": target.host, "id": str(target.id)}
    if target.type is not None:
        labels["job_type"] = target.type
    return {"targets": [f"[{host}]:{target.port}" if ":" in host else f"{host}:{target.port}"], "labels": labels}
