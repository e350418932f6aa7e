"""Rows of CSV as they arrive: at most one buffer and one row are held."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from servants.salesforce.client.body import Body
from servants.salesforce.client.errors import ServiceFailed, UnexpectedAnswer

BUFFER_BYTES = 256 * 1024

#: No field of Salesforce holds more text than this, in characters; the module's own bound is 131,072, which long text
#: areas reach.
FIELD_CHARACTERS = 4 * 1024 * 1024


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
        yield from csv.reader(text, strict=True)
    except UnicodeDecodeError:
        raise UnexpectedAnswer(f"{where} answered with text that is not UTF-8.") from None
    except csv.Error as error:
        if "end of data" in str(error):
            raise ServiceFailed(f"{where}: the answer ends within a row.") from None
        raise UnexpectedAnswer(f"{where} answered with text that is no CSV.") from None
