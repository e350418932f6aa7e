"""Puts on trial the jobs whose servants died with them, so that poison is told from its neighbours.

A process that dies takes every job it holds down with it, guilty or not. So the try that may be a job's last is written
down before it begins, and no other such job begins in this process until its outcome has been written.
"""

from __future__ import annotations

import threading

import psycopg

from infra.logs import get_logger
from infra.postgres.connect import Database, DatabaseUnreachable
from retinue.settlement import TRIAL_DEATHS
from servants.runtime.held import HeldJob, HeldJobs

log = get_logger(__name__)


class Trial:
    """One trial at a time."""

    def __init__(self, database: Database, held: HeldJobs) -> None:
        self._database = database
        self._held = held
        self._admitting = threading.Lock()

    def admits(self, held: HeldJob) -> bool:
        """Whether the job may begin; one that may not is to be handed back."""
        if held.facts.deaths < TRIAL_DEATHS:
            return True
        with self._admitting:
            if any(other.on_trial for other in self._held.snapshot()):
                return False
            held.on_trial = True
        return self._is_written(held)

    def _is_written(self, held: HeldJob) -> bool:
        facts = held.facts
        try:
            begun = self._database.fetch("begin_trial", {"id": facts.id, "attempt": facts.attempt})
        except (psycopg.Error, DatabaseUnreachable) as error:
            log.warning("trial_not_begun", job=facts.id, attempt=facts.attempt, error=str(error))
            return False
        log.info("trial_begun", job=facts.id, attempt=facts.attempt, deaths=facts.deaths)
        return bool(begun)
