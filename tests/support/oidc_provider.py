"""A small OpenID Connect provider: code flow with PKCE, as its own server. It may be told to lie.

Whoever comes to its authorization page is signed in as `claims` say. It checks what a provider checks: the client, its
secret, the address it goes back to, the verifier, and that a code is used once.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import urlencode

from flask import Flask, Response, abort, jsonify, redirect, request
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey
from werkzeug.wrappers import Response as BaseResponse

from tests.support.manager_server import serving

CLIENT_ID, CLIENT_SECRET = "retinue", "what the provider gave us"


def new_key() -> RSAKey:
    """A key with a name of its own."""
    return RSAKey.generate_key(2048, {"kid": secrets.token_hex(4)}, private=True)


#: Making one takes a while.
_first_key = cache(new_key)


@dataclass
class Provider:
    """What it says of whoever signs in, and in what it deviates from the truth."""

    redirect_uri: str = "http://localhost/sign-in/oidc/back"
    claims: dict[str, Any] = field(default_factory=lambda: {"sub": "u-1", "preferred_username": "Ada"})
    #: Told by the userinfo endpoint alone.
    more: dict[str, Any] = field(default_factory=dict)
    #: Changes the claims of the ID token just before it is signed.
    twist: Callable[[dict[str, Any]], dict[str, Any]] = dict
    #: Makes the token otherwise than by signing it with `key`.
    forges: Callable[[dict[str, Any]], str] | None = None
    #: What it says its name is; its address, unless told otherwise.
    issuer: str = ""
    denies: bool = False
    is_broken: bool = False
    key: RSAKey = field(default_factory=_first_key)
    address: str = ""
    _codes: dict[str, dict[str, str]] = field(default_factory=dict)
    _tokens: set[str] = field(default_factory=set)

    def authorize(self) -> BaseResponse:
        """Sign somebody in, and send them back with a code."""
        given = request.args
        known = given.get("client_id") == CLIENT_ID and given.get("redirect_uri") == self.redirect_uri
        if not known or given.get("response_type") != "code" or "openid" not in given.get("scope", "").split():
            abort(400, "no such client")
        if given.get("code_challenge_method") != "S256" or len(given.get("code_challenge", "")) != 43:
            abort(400, "PKCE is required")
        if self.denies:
            said = {"error": "access_denied", "error_description": "<b>no</b>", "state": given["state"]}
            return redirect(f"{self.redirect_uri}?{urlencode(said)}")
        code = secrets.token_urlsafe(16)
        self._codes[code] = given.to_dict()
        return redirect(f"{self.redirect_uri}?{urlencode({'code': code, 'state': given['state']})}")

    def token(self) -> Response:
        """An ID token for a code."""
        if self.is_broken:
            abort(500)
        basic = request.authorization
        if basic is None or (basic.username, basic.password) != (CLIENT_ID, CLIENT_SECRET):
            abort(401)
        asked = self._codes.pop(request.form["code"], None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(request.form["code_verifier"].encode()).digest()).rstrip(
            b"="
        )
        if asked is None or not hmac.compare_digest(challenge.decode(), asked["code_challenge"]):
            return jsonify(error="invalid_grant")
        access = secrets.token_urlsafe(16)
        self._tokens.add(access)
        id_token = self._sign(asked.get("nonce", ""))
        return jsonify(access_token=access, token_type="Bearer", expires_in=300, id_token=id_token)

    def userinfo(self) -> Response:
        """More of whoever the access token is of."""
        bearer = request.authorization
        if bearer is None or bearer.token not in self._tokens:
            abort(401)
        return jsonify({"sub": self.claims["sub"], **self.more})

    def metadata(self) -> Response:
        """What it says of itself."""
        addresses = {
            "authorization_endpoint": "/authorize",
            "token_endpoint": "/token",
            "userinfo_endpoint": "/userinfo",
            "jwks_uri": "/jwks",
        }
        told = {name: self.address + path for name, path in addresses.items()}
        algorithms = ["RS256", "HS256", "none"]
        return jsonify(issuer=self.issuer or self.address, id_token_signing_alg_values_supported=algorithms, **told)

    def jwks(self) -> Response:
        """Its public key."""
        return jsonify(KeySet([self.key]).as_dict(private=False))

    def _sign(self, nonce: str) -> str:
        now = int(time.time())
        told = {"iss": self.issuer or self.address, "aud": CLIENT_ID, "iat": now, "exp": now + 300, "nonce": nonce}
        claims = self.twist({**told, **self.claims})
        if self.forges is not None:
            return self.forges(claims)
        return jwt.encode({"alg": "RS256", "kid": self.key.kid}, claims, self.key)


def part(value: bytes) -> str:
    """One part of a token, or a challenge: base64url without padding (RFC 7515, section 2)."""
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


@contextmanager
def running(provider: Provider) -> Iterator[Provider]:
    """The provider, at an address of its own."""
    app = Flask("provider")
    app.add_url_rule("/.well-known/openid-configuration", view_func=provider.metadata)
    app.add_url_rule("/authorize", view_func=provider.authorize)
    app.add_url_rule("/token", view_func=provider.token, methods=["POST"])
    app.add_url_rule("/userinfo", view_func=provider.userinfo)
    app.add_url_rule("/jwks", view_func=provider.jwks)
    with serving(app) as provider.address:
        yield provider
