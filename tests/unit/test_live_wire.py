"""Streams whose bytes are deflated once for all who are sent them."""

from __future__ import annotations

import zlib

from hypothesis import given
from hypothesis import strategies as st

from manager.live.wire import Deflated, Plain, Shared, Wire

#: What a stream sends: some bytes, and whether others are sent them too.
Pieces = list[tuple[bytes, bool]]

pieces = st.lists(st.tuples(st.binary(max_size=300), st.booleans()))


def sent(wire: Wire, told: Pieces) -> bytes:
    parts = [wire.shared(Shared.of(piece)) if shared else wire.own(piece) for piece, shared in told]
    return wire.begin() + b"".join(parts) + wire.end()


@given(pieces)
def test_what_comes_out_is_what_went_in(told: Pieces) -> None:
    whole = b"".join(piece for piece, _ in told)
    assert sent(Plain(), told) == whole
    # It checks the checksum, too.
    assert zlib.decompress(sent(Deflated(), told)) == whole


def test_what_came_so_far_can_be_read_before_the_end() -> None:
    wire, reader = Deflated(), zlib.decompressobj()

    assert reader.decompress(wire.begin() + wire.own(b"one ")) == b"one "
    assert reader.decompress(wire.shared(Shared.of(b"two " * 1000))) == b"two " * 1000


def test_more_than_fits_into_one_stored_block() -> None:
    long = bytes(range(256)) * 1000
    assert zlib.decompress(sent(Deflated(), [(long, False)])) == long


def test_a_shared_piece_fits_into_any_stream_and_is_small() -> None:
    rows = b"".join(b'<tr class="servant"><td>servant %d</td></tr>' % number for number in range(1000))
    shared = Shared.of(rows)
    one, other = Deflated(), Deflated()

    assert zlib.decompress(one.begin() + one.own(b"before") + one.shared(shared) + one.end()) == b"before" + rows
    assert zlib.decompress(other.begin() + other.shared(shared) + other.end()) == rows
    assert len(shared.deflated) < len(rows) / 8
