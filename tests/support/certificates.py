"""An authority of the tests' own, and certificates that are good, out of their time, somebody else's or nobody's."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

Kind = Literal["valid", "expired", "not-yet-valid", "other-name", "self-signed"]

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Certificate:
    """A server's chain and key, as PEM files, and the file of the authority that vouches for it."""

    chain: Path
    key: Path
    ca_file: Path


def issue(directory: Path, kind: Kind = "valid") -> Certificate:
    """A certificate for 127.0.0.1 and localhost, by an authority made for it; `other-name` is for another host.

    For `self-signed` the authority is there, but the server's certificate is not of it.
    """
    authority_key, server_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority_name, server_name = _name("Retinue tests"), _name("mail server")
    authority = _builder(authority_name, authority_name, authority_key.public_key(), "valid")
    authority = authority.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    is_own = kind == "self-signed"
    server = _builder(server_name, server_name if is_own else authority_name, server_key.public_key(), kind)
    server = server.add_extension(x509.SubjectAlternativeName(_names(kind)), critical=False)
    made = Certificate(directory / f"{kind}.pem", directory / f"{kind}.key", directory / f"{kind}-ca.pem")
    for path, builder, key in (
        (made.ca_file, authority, authority_key),
        (made.chain, server, server_key if is_own else authority_key),
    ):
        path.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))
    made.key.write_bytes(server_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return made


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _names(kind: Kind) -> list[x509.GeneralName]:
    if kind == "other-name":
        return [x509.DNSName("elsewhere.example")]
    return [x509.IPAddress(ip_address("127.0.0.1")), x509.DNSName("localhost")]


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, kind: Kind
) -> x509.CertificateBuilder:
    since = datetime.now(UTC) + {"expired": -31 * _DAY, "not-yet-valid": _DAY}.get(kind, -_DAY)
    builder = x509.CertificateBuilder(issuer, subject, key, x509.random_serial_number())
    return builder.not_valid_before(since).not_valid_after(since + 30 * _DAY)
