"""The list of jobs, and what may come next in its query."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, render_template, request, url_for

from infra.job_query.fields import FIELDS
from infra.job_query.terms import MAX_LENGTH
from infra.postgres.job_suggestions import suggest
from manager.deps import Deps
from manager.jobs.queries import Listing, asked_text, chips, look, tabs
from manager.roles import Role, requires


def add_listing(blueprint: Blueprint, deps: Deps) -> None:
    """For everybody who may look."""

    @deps.live.part("jobs")
    def part(given: dict[str, str]) -> str:
        with deps.database.transaction() as connection:
            listing = look(connection, given.get("q", ""))
        return render_template("jobs/_list.html", **_told(listing, None))

    @blueprint.get("")
    @requires(Role.VIEWER)
    def index() -> tuple[str, int]:
        text, after = asked_text(), request.args.get("after")
        with deps.database.transaction() as connection:
            listing = look(connection, text, after)
        page = render_template("jobs/index.html", **_told(listing, after), fields=FIELDS.values())
        return page, 400 if listing.fault else 200

    @blueprint.get("/suggest")
    @requires(Role.VIEWER)
    def suggestions() -> Response:
        text = request.args.get("q", "")[:MAX_LENGTH]
        with deps.database.transaction() as connection:
            return jsonify(suggest(connection, text, request.args.get("at", len(text), type=int)))


def _told(listing: Listing, after: str | None) -> dict[str, Any]:
    query, page = listing.query, listing.page
    following = None if page is None or page.following is None else page.following.token
    return {
        "listing": listing,
        "page": page,
        "after": after,
        "older": following and url_for("jobs.index", q=listing.text or None, after=following),
        "tabs": tabs(listing.text, query.named_states if query else frozenset()),
        "chips": chips(query) if query else [],
    }
