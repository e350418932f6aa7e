"""The sign-ins of an embedded server, kept beside its data."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from pathlib import Path


def users_path(data_dir: Path) -> Path:
    """The htpasswd file of the server that keeps its data in `data_dir`: lines of `user:password`, mode 0600."""
    return data_dir / "users"


def read_passwords(data_dir: Path) -> dict[str, str]:
    """The password of every user; empty before the server was first prepared."""
    path = users_path(data_dir)
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return dict(line.split(":", 1) for line in lines if line)


def prepare_users(data_dir: Path, users: Iterable[str]) -> dict[str, str]:
    """Give each of `users` a password unless it has one, and return the password of every user.

    They are kept as plain text, for this machine's owner only: the programs that sign in need them as they are.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    passwords = read_passwords(data_dir)
    for user in users:
        passwords.setdefault(user, secrets.token_urlsafe(12))
    path = users_path(data_dir)
    path.touch(mode=0o600)
    path.write_text("".join(f"{user}:{password}\n" for user, password in passwords.items()), encoding="utf-8")
    return passwords
