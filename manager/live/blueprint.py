"""Where open pages listen."""

from __future__ import annotations

from functools import partial

from flask import Blueprint, Response, request

from infra.postgres.sessions import digest_of
from manager.live.hub import LiveHub, TooManyStreams
from manager.live.regions import is_digest, live, read_region
from manager.live.stream import events
from manager.live.watchers import Watcher
from manager.live.wire import Deflated, Plain, Wire
from manager.roles import Role, current_user, requires
from manager.sessions import session_secret

#: More regions than a page has.
MAX_REGIONS = 40

#: How long a page that was turned away waits before it asks for a stream again, in seconds.
RETRY_SECONDS = 30


def live_blueprint(hub: LiveHub) -> Blueprint:
    """The streams of `hub`, and `live()` for templates."""
    blueprint = Blueprint("live", __name__)
    blueprint.add_app_template_global(live)

    @blueprint.get("/live")
    @requires(Role.VIEWER)
    def stream() -> Response:
        watcher = _watcher()
        try:
            hub.join(watcher)
        except TooManyStreams:
            return Response(status=503, headers={"Retry-After": str(RETRY_SECONDS)})
        wire = _wire()
        response = Response(events(hub, watcher, wire), mimetype="text/event-stream")
        response.vary.add("Accept-Encoding")
        if wire.name is not None:
            response.content_encoding = wire.name
        response.call_on_close(partial(hub.leave, watcher))
        return response

    return blueprint


def _wire() -> Wire:
    return Deflated() if request.accept_encodings["deflate"] > 0 else Plain()


def _watcher() -> Watcher:
    """The regions that the page names with `r`, and the digests of what it has of them as `seen`, in their order."""
    user = current_user()
    role = user.role
    regions = [read_region(token, role) for token in request.args.getlist("r")[:MAX_REGIONS]]
    seen = request.args.get("seen", "").split(".")
    known = dict.fromkeys(regions, "")
    # They come back in the stream, where a line of another kind could begin with them.
    if len(seen) == len(known) and all(map(is_digest, seen)):
        known = dict(zip(known, seen, strict=True))
    secret = session_secret()
    return Watcher(
        known,
        role,
        f"{user.kind}:{user.name}",
        digest_of(secret) if secret is not None else None,
        gone=request.environ.get("waitress.client_disconnected", lambda: False),
    )
