"""What trying out a connection has in common, whatever the provider: its steps, and those below the protocol."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from infra.hosts import Reach
from retinue.errors import JobError
from servants.mending import by_setting
from servants.reach import connect, find_places

#: X509_V_ERR_* of OpenSSL (x509_vfy.h) where more can be said than that the owner has to mend it.
_NOT_YET_VALID, _EXPIRED, _SELF_SIGNED, _SELF_SIGNED_CHAIN, _NO_ISSUER, _NO_ISSUER_AT_ALL = 9, 10, 18, 19, 20, 21
_WRONG_NAME, _WRONG_ADDRESS = 62, 64

_ADVICE = {
    _NOT_YET_VALID: "it was installed too early, or the clock of one of the two machines is wrong",
    _EXPIRED: "its owner has to renew it",
    _SELF_SIGNED: "its owner has to install one that a known authority has signed",
    _SELF_SIGNED_CHAIN: "its owner has to install one that a known authority has signed",
    _NO_ISSUER: "its owner has to install the whole chain, signed by a known authority",
    _NO_ISSUER_AT_ALL: "its owner has to install the whole chain, signed by a known authority",
    _WRONG_NAME: "connect by a name that it was made out to, or have its owner add this one",
    _WRONG_ADDRESS: "connect by a name that it was made out to, or have its owner add this address",
}


@dataclass(frozen=True, slots=True)
class ProbeStep:
    """One step: what was tried, and a sentence on what was found, or on what is wrong and how to mend it."""

    name: str
    ok: bool
    message: str


@dataclass(frozen=True, slots=True)
class ProbeReport:
    """The steps in their order, up to the first that failed."""

    steps: tuple[ProbeStep, ...]

    @property
    def ok(self) -> bool:
        return all(step.ok for step in self.steps)


class StepFailed(Exception):
    """This step found something wrong; the message is for the person."""


def try_steps(steps: Iterable[tuple[str, Callable[[], str]]]) -> ProbeReport:
    """Take the steps one after the other until one fails; each says what it found, or raises what is wrong."""
    taken: list[ProbeStep] = []
    for name, step in steps:
        try:
            taken.append(ProbeStep(name, True, step()))
        except (StepFailed, JobError) as error:
            taken.append(ProbeStep(name, False, str(error)))
            break
    return ProbeReport(tuple(taken))


def find_address(host: str, port: int, *, within: Reach = Reach.ANY) -> str:
    """The step that looks the name up.

    Raises:
        SettingsRefused: it leads beyond the reach; its addresses are not told.
    """
    try:
        found = find_places(host, port, within)
    except (OSError, UnicodeError) as error:
        raise StepFailed(
            f"The name {host} cannot be resolved ({reason_of(error)}); "
            f"check how it is spelt, and mend it by {by_setting()}."
        ) from error
    return f"{host} is {found[0].address[0]}."


def reach(host: str, port: int, *, seconds: float, within: Reach = Reach.ANY) -> str:
    """The step that connects.

    Raises:
        SettingsRefused: the host leads beyond the reach.
    """
    try:
        connect(host, port, reach=within, seconds=seconds).close()
    except OSError as error:
        raise StepFailed(
            f"{host} does not accept connections on port {port} ({reason_of(error)}); "
            f"check the port, which {by_setting()} changes, and whether a firewall stands between."
        ) from error
    return f"{host} accepts connections on port {port}."


def encrypted(tls: ssl.SSLSocket) -> str:
    """What the step that encrypts says when all is well."""
    return f"Encrypted with {tls.version()}; the certificate is good."


def distrust(host: str, error: ssl.SSLCertVerificationError) -> StepFailed:
    """What that step says of a certificate that is not good."""
    advice = _ADVICE.get(error.verify_code, "its owner has to mend it")
    # OpenSSL ends some of its reasons with a full stop.
    reason = error.verify_message.rstrip(".")
    return StepFailed(f"The certificate of {host} is not trusted ({reason}); {advice}.")


def reason_of(error: Exception) -> str:
    """The system's own words for what went wrong."""
    return getattr(error, "strerror", None) or str(error)
