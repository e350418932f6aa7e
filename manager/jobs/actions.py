"""What operators do to one job, or to those that they chose on a page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime

import psycopg
from flask import Blueprint, flash, redirect, request, url_for
from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Response

from infra.postgres import job_actions
from infra.postgres.job_actions import ActionResult, Deed
from manager.acting import acting
from manager.audit import note
from manager.back import back
from manager.deps import Deps
from manager.jobs.moments import moment_of
from manager.roles import Role, requires
from retinue.errors import NotAllowed

#: Jobs chosen at once: a page's.
MAX_CHOSEN = 500

Act = Callable[[psycopg.Connection, Sequence[int]], list[ActionResult]]

#: The deeds that a page's buttons ask for, and what does them; `reschedule` needs a time as well.
DEEDS: dict[str, Act] = {
    "retry": job_actions.retry_jobs,
    "cancel": job_actions.cancel_jobs,
    "run": job_actions.run_jobs_now,
}

_SAID = {
    Deed.RETRIED: "run again as a new job",
    Deed.MADE_DUE: "due now",
    Deed.RESCHEDULED: "given another time",
    Deed.CANCELLED: "cancelled",
    Deed.CANCEL_REQUESTED: "asked to stop",
    Deed.GROUP_CANCELLED: "finished already, and what is left of the groups made by it is being cancelled",
}


def add_actions(blueprint: Blueprint, deps: Deps) -> None:
    """Each a small POST."""

    @blueprint.post("/<int:job_id>/<any(retry, cancel, run, reschedule):deed>")
    @requires(Role.OPERATOR)
    def act(job_id: int, deed: str) -> Response:
        (result,) = _act(deps, deed, [job_id])
        if result.deed is Deed.NOTHING:
            raise NotAllowed(result.problem)
        flash(f"Job {job_id}: {_SAID[result.deed]}.", "good")
        return redirect(_page_of(result) if result.new_job_id else back(_page_of(result)), 303)

    @blueprint.post("/chosen")
    @requires(Role.OPERATOR)
    def act_on_chosen() -> Response:
        deed = request.form.get("deed", "")
        results = _act(deps, deed, _chosen())
        for sentence, kind in _sentences(results):
            flash(sentence, kind)
        return redirect(back(url_for("jobs.index")), 303)


def _page_of(result: ActionResult) -> str:
    return url_for("jobs.page", job_id=result.new_job_id or result.job_id)


def _act(deps: Deps, deed: str, job_ids: list[int]) -> list[ActionResult]:
    """Do it, and write down each job to which something was done."""
    run_at = _run_at(deps) if deed == "reschedule" else None
    with acting(deps) as connection:
        if run_at is not None:
            results = job_actions.reschedule_jobs(connection, job_ids, run_at)
        elif deed in DEEDS:
            results = DEEDS[deed](connection, job_ids)
        else:
            raise BadRequest("Say what is to be done with the jobs.")
        detail = {} if run_at is None else {"run_at": run_at.isoformat()}
        for result in results:
            if result.deed is not Deed.NOTHING:
                made = {} if result.new_job_id is None else {"new_job": result.new_job_id}
                note(connection, f"job.{deed}", "job", result.job_id, **detail, **made)
    return results


def _run_at(deps: Deps) -> datetime:
    return moment_of(request.form.get("at"), request.form.get("in"), now=deps.clock.now())


def _chosen() -> list[int]:
    given = request.form.getlist("id")
    if not given:
        raise NotAllowed("Choose at least one job first.")
    if len(given) > MAX_CHOSEN:
        raise NotAllowed(f"At most {MAX_CHOSEN} jobs are chosen at once; a bulk operation takes any number.")
    return [int(text) for text in given if text.isascii() and text.isdecimal() and len(text) < 19]


def _sentences(results: Sequence[ActionResult]) -> list[tuple[str, str]]:
    """What came of it: the deeds counted, and each problem, but no more than a few."""
    deeds = Counter(result.deed for result in results if result.deed is not Deed.NOTHING)
    said = [(f"{count} {'job' if count == 1 else 'jobs'}: {_SAID[deed]}.", "good") for deed, count in deeds.items()]
    problems = [result.problem for result in results if result.problem]
    said += [(problem, "warn") for problem in problems[:3]]
    if len(problems) > 3:
        said.append((f"{len(problems) - 3} more were left alone.", "warn"))
    return said
