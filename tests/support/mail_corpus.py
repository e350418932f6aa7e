"""A corpus of mail, most of it malformed: named messages of our own making, the same bytes on every run."""

from __future__ import annotations

from tests.support.mail_cases import ANYTHING, MailCase
from tests.support.mail_cases_addresses import ADDRESSES
from tests.support.mail_cases_bodies import BODIES
from tests.support.mail_cases_charsets import CHARSETS
from tests.support.mail_cases_dates import DATES
from tests.support.mail_cases_headers import HEADERS
from tests.support.mail_cases_html import DOCUMENTS
from tests.support.mail_cases_structure import STRUCTURES

__all__ = ["ANYTHING", "CORPUS", "MailCase"]

CORPUS: tuple[MailCase, ...] = (*DATES, *ADDRESSES, *HEADERS, *CHARSETS, *STRUCTURES, *BODIES, *DOCUMENTS)
