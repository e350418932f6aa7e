"""Rows of CSV as they arrive: at most one buffer and one row are held."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from itertools import chain, islice

from servants.salesforce.client.body import Body
from servants.salesforce.client.errors import ServiceFailed, UnexpectedAnswer

BUFFER_BYTES = 256 * 1024

#: No field of Salesforce holds more text than this, in characters; the module's own bound is 131,072, which long text
#: areas reach.
FIELD_CHARACTERS = 4 * 1024 * 1024

#: No row holds more than this in all its lines, in characters.
ROW_CHARACTERS = 16 * 1024 * 1024


def csv_rows(where: str, body: Body) -> Iterator[list[str]]:
    """Every row, the header first ("Bulk API 2.0", CSV results: UTF-8, commas, quotes doubled, LF).

    Raises:
        ServiceFailed: the answer was cut.
        UnexpectedAnswer: it is no CSV.
    """
    # Of the whole process, and only ever this.
    csv.field_size_limit(FIELD_CHARACTERS)
    text = io.TextIOWrapper(io.BufferedReader(body, BUFFER_BYTES), encoding="utf-8", newline="")
    try:
        yield from _rows(where, text)
    except UnicodeDecodeError:
        raise UnexpectedAnswer(f"{where} answered with text that is not UTF-8.") from None
    except csv.Error as error:
        if "end of data" in str(error):
            raise ServiceFailed(f"{where}: the answer ends within a row.") from None
        raise UnexpectedAnswer(f"{where} answered with text that is no CSV.") from None


def _rows(where: str, lines: Iterator[str]) -> Iterator[list[str]]:
    """The rows of these lines; those of quoted cells without a quote or an end of line in them are taken apart here."""
    for line in lines:
        cells = line[1:-2].split('","')
        # As many quotes as cells have at their edges: then there are none within them, and the row ends here.
        if line.startswith('"') and line.endswith('"\n') and line.count('"') == 2 * len(cells):
            yield cells
        else:
            yield from islice(csv.reader(_of_a_row(where, chain([line], lines)), strict=True), 1)


def _of_a_row(where: str, lines: Iterator[str]) -> Iterator[str]:
    """Lines for as long as they may be those of one row."""
    size = 0
    for line in lines:
        size += len(line)
        if size > ROW_CHARACTERS:
            raise UnexpectedAnswer(f"{where} answered with a row of more than {ROW_CHARACTERS:,} characters.")
        yield line
