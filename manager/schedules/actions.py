"""What operators do with a schedule at once: pause, resume, run now."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response

from infra.postgres.schedule_lines import find_schedule
from infra.postgres.schedules import pause_schedule, resume_schedule, run_schedule
from infra.roles import Role
from infra.words import moment
from manager.acting import acting
from manager.audit import note
from manager.back import back
from manager.deps import Deps
from manager.navigation import page_url
from manager.roles import requires


def add_actions(blueprint: Blueprint, deps: Deps) -> None:
    """Each is one transaction with its note."""

    @blueprint.post("/<int:schedule_id>/pause")
    @requires(Role.OPERATOR)
    def pause(schedule_id: int) -> Response:
        with acting(deps) as connection:
            pause_schedule(connection, schedule_id)
            line = find_schedule(connection, schedule_id)
            note(connection, "schedule.pause", "schedule", schedule_id, account_id=line.account_id, name=line.name)
        return _told(schedule_id, f"{line.name} is paused: it makes no more jobs. Those it has made go on.")

    @blueprint.post("/<int:schedule_id>/resume")
    @requires(Role.OPERATOR)
    def resume(schedule_id: int) -> Response:
        with acting(deps) as connection:
            next_at = resume_schedule(connection, schedule_id)
            line = find_schedule(connection, schedule_id)
            note(connection, "schedule.resume", "schedule", schedule_id, account_id=line.account_id, name=line.name)
        return _told(schedule_id, f"{line.name} is active again and fires next at {moment(next_at)}.")

    @blueprint.post("/<int:schedule_id>/run")
    @requires(Role.OPERATOR)
    def run(schedule_id: int) -> Response:
        with acting(deps) as connection:
            made = run_schedule(connection, schedule_id)
            line = find_schedule(connection, schedule_id)
            detail = {"name": line.name, "job": made.id, "created": made.created}
            note(connection, "schedule.run", "schedule", schedule_id, account_id=line.account_id, **detail)
        return _told(schedule_id, _made(made.id, created=made.created), kind="good" if made.created else "info")


def _made(job_id: int, *, created: bool) -> str:
    href = page_url("jobs.page", job_id=job_id)
    job = Markup('<a href="{}">Job {}</a>').format(href, job_id) if href else f"Job {job_id}"
    if created:
        return Markup("{} was made.").format(job)
    return Markup("{} of this schedule is unfinished, and it skips overlapping ones: no other was made.").format(job)


def _told(schedule_id: int, sentence: str, *, kind: str = "good") -> Response:
    flash(sentence, kind)
    return redirect(back(url_for("schedules.page", schedule_id=schedule_id)), 303)
