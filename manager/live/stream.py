"""The stream of one open page, as server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html).

`show`   `[index, html]`: a region's new content; the ID that comes with it names what the page has then
`stale`  `{message, since}`: what is shown cannot be renewed
`fresh`  what is shown is up to date again
`beat`   nothing new, and the manager is there
`again`  the stream ends here; another one goes on
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping

from manager.formats import iso
from manager.live.hub import LiveHub
from manager.live.regions import Fragment, Region
from manager.live.watchers import Outage, Watcher
from manager.live.wire import Wire

#: A stream that has nothing to say says so this often, in seconds: a page that hears nothing for longer is stale.
BEAT_SECONDS = 5.0

#: A stream ends after this time, so that the next one asks anew who is looking, in seconds.
STREAM_SECONDS = 300.0

_BEAT = b"event: beat\ndata: null\n\n"
_FRESH = b"event: fresh\ndata: null\n\n"
_AGAIN = b"event: again\ndata: null\n\n"


def events(hub: LiveHub, watcher: Watcher, wire: Wire) -> Iterator[bytes]:
    """For a watcher that has joined, until the stream's time is over; waits between them."""
    ends_at = time.monotonic() + STREAM_SECONDS
    yield wire.begin() + wire.own(_BEAT)
    while time.monotonic() < ends_at:
        news = hub.news(watcher, BEAT_SECONDS)
        if news.over:
            break
        told = [*_told_outage(watcher, news.outage, wire), *_told_regions(watcher, news.fragments, wire)]
        yield b"".join(told) or wire.own(_BEAT)
    yield wire.own(_AGAIN) + wire.end()


def _told_outage(watcher: Watcher, outage: Outage | None, wire: Wire) -> Iterator[bytes]:
    if outage is watcher.outage:
        return
    watcher.outage = outage
    if outage is None:
        yield wire.own(_FRESH)
    else:
        told = json.dumps({"message": outage.message, "since": iso(outage.since)})
        yield wire.own(f"event: stale\ndata: {told}\n\n".encode())


def _told_regions(watcher: Watcher, fragments: Mapping[Region, Fragment], wire: Wire) -> Iterator[bytes]:
    places = {region: index for index, region in enumerate(watcher.known)}
    for region, fragment in fragments.items():
        watcher.known[region] = fragment.digest
        name = ".".join(watcher.known.values())
        yield wire.own(b"event: show\nid: %s\ndata: [%d," % (name.encode(), places[region]))
        yield wire.shared(fragment.encoded)
        yield wire.own(b"]\n\n")
