"""What an identity provider's claims say: who somebody is, and which role they have here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from infra.roles import Role
from infra.settings import Settings

#: OpenID Connect Core 1.0, section 2: `sub` is at most 255 ASCII characters.
MAX_SUBJECT = 255
_MAX_NAME = 120


@dataclass(frozen=True, slots=True)
class Identified:
    """Somebody that the provider vouches for. `role` is None where none of their groups has one."""

    subject: str
    name: str
    role: Role | None


def identified(claims: Mapping[str, Any], settings: Settings) -> Identified:
    """Whom these claims are about.

    Raises:
        ValueError: they name nobody.
    """
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 1 <= len(subject) <= MAX_SUBJECT or not subject.isprintable():
        raise ValueError("the provider names nobody")
    names = (claims.get(name) for name in ("preferred_username", "email", "name"))
    shown = (_shown(name) for name in names if isinstance(name, str))
    return Identified(subject, next(filter(None, shown), subject[:_MAX_NAME]), _role(claims, settings))


def _role(claims: Mapping[str, Any], settings: Settings) -> Role | None:
    """The highest role that one of the person's groups has."""
    roles = settings.oidc_roles if settings.oidc_roles is not None else {role.value: role for role in Role}
    held = [roles[group] for group in _groups(claims, settings.oidc_role_claim) if group in roles]
    return max(held, key=list(Role).index, default=None)


def _groups(claims: Mapping[str, Any], path: str) -> Iterable[str]:
    found = claims[path] if path in claims else _at(claims, path.split("."))
    listed = found if isinstance(found, list) else [found]
    return [group for group in listed if isinstance(group, str)]


def _at(claims: Any, path: list[str]) -> Any:
    for name in path:
        claims = claims.get(name) if isinstance(claims, Mapping) else None
    return claims


def _shown(name: str) -> str:
    """A name that is fit to show, whatever somebody calls themselves there."""
    return "".join(letter for letter in name if letter.isprintable()).strip()[:_MAX_NAME].strip()
