"""What requests over HTTP have in common, whatever is asked of whom.

No message holds a password: addresses are shown without their user part and query.
"""

from __future__ import annotations

from urllib.parse import urlsplit

import requests
import urllib3

from retinue.errors import JobError, PermanentError, TransientError


def shown(url: str) -> str:
    """The address for people: without user part, query and fragment."""
    try:
        return urlsplit(without_user(url))._replace(query="", fragment="").geturl()
    except ValueError:
        return "(an address that cannot be read)"


def without_user(url: str) -> str:
    """The address without `user:password@`.

    Raises:
        ValueError: it is no address.
    """
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def network_fault(method: str, url: str, error: Exception) -> JobError:
    """The error that stands for a request that got no whole reply."""
    where, reason = f"{method} {shown(url)}", root_reason(error)
    if isinstance(error, requests.exceptions.SSLError | urllib3.exceptions.SSLError):
        return TransientError(f"{where}: the TLS handshake failed ({reason}).")
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return TransientError(f"{where}: no connection within the time allowed.")
    if isinstance(error, requests.exceptions.Timeout | urllib3.exceptions.TimeoutError):
        return TransientError(f"{where}: no answer within the time allowed.")
    if isinstance(error, ValueError):
        return PermanentError(f"{where}: this address cannot be used ({reason}).")
    return TransientError(f"{where}: the connection failed ({reason}).")


def root_reason(error: BaseException) -> str:
    while inner := error.__cause__ or error.__context__:
        error = inner
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
