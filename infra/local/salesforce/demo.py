"""The demo company's org: its records from the start, and the key that Retinue signs in with."""

from __future__ import annotations

from pathlib import Path

from infra.local.demo_org import CLIENT_ID, PERSON
from infra.local.salesforce.control_client import Control, NewApp, NewUser
from infra.local.salesforce.new_org import ADMIN_USERNAME
from infra.local.sign_ins import prepare_users

#: As whom Retinue reads.
USERNAME = ADMIN_USERNAME

_KEY = "signing-key.pem"

#: How many records an org has at first; parents come before their children.
RECORDS = {"Account": 60, "Contact": 150, "Lead": 40, "Opportunity": 120, "Task": 80, "Event": 40}


def seed(url: str, directory: Path, *, callback_url: str) -> int:
    """Fill an org that has no accounts, and install the app whose key lies in `directory`; how many records were made.

    `callback_url` holds the addresses that browsers may come back to from its page of signing in, separated by spaces.

    Raises:
        requests.RequestException, ControlRefused: the org cannot be reached, or did not take it.
    """
    control = Control(url)
    try:
        certificate = _public(signing_key(directory))
        control.set_app(
            NewApp(CLIENT_ID, "Retinue", callback_url=callback_url, certificate=certificate, preauthorized=True)
        )
        if next(control.rows("Account"), None) is not None:
            return 0
        # Their password is beside the org's data.
        password = prepare_users(directory, [PERSON])[PERSON]
        control.add_user(NewUser(PERSON, password, security_token="", last_name="Kestrel"))
        return sum(control.seed(sobject, rows) for sobject, rows in RECORDS.items())
    finally:
        control.close()


def signing_key(directory: Path) -> str:
    """The private key of the app, PEM, made once; for this machine's owner only."""
    path = directory / _KEY
    if not path.exists():
        draft = path.with_suffix(".new")
        draft.touch(mode=0o600)
        draft.write_text(_new_key())
        draft.replace(path)
    return path.read_text()


def _new_key() -> str:
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _public(private: str) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

    key = load_pem_private_key(private.encode(), password=None).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
