"""Who may run which command: each names a permission where it is declared, and one that does not is closed.

@jobs.command("cancel")
@needs(Permission.WORK_ACT, notes="job.cancel", of="job_ids")

Whoever holds the database's password can do anything; a command keeps people of the installation to their role all the
same, by the name of whoever runs it, and writes down what is done under it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from cli.errors import Failure
from cli.params import system_user
from infra.permissions import HOLDERS, Permission, operator_may
from infra.roles import Role

#: Parameters whose words are told: of an operator's own, and of a job's type.
_WORDS = ("reason", "why", "job_type", "role")

Command = TypeVar("Command", bound=Callable[..., Any])

_DECLARED = "declared_permission"

#: More targets of one command are one entry, which counts them.
MAX_TARGETS = 100
MAX_TARGET_LENGTH = 400


@dataclass(frozen=True, slots=True)
class Declared:
    """What a command asks for.

    `notes` is the action that is written down before it is done, and `of` the parameters with the IDs of what it is
    done to; a command without `notes` writes down by itself what it does. One that `finds` something was done, too,
    where it leaves with another status than 0; `looks` says whether it only shows, by what it was given.
    """

    permission: Permission
    notes: str | None
    of: tuple[str, ...]
    finds: bool
    looks: Callable[[Mapping[str, Any]], bool]

    @property
    def acts(self) -> bool:
        return self.permission not in (Permission.WORK_LOOK, Permission.MACHINE_RUN)


def _acts_always(_given: Mapping[str, Any]) -> bool:
    return False


def needs(
    permission: Permission,
    *,
    notes: str | None = None,
    of: str = "",
    finds: bool = False,
    looks: Callable[[Mapping[str, Any]], bool] = _acts_always,
) -> Callable[[Command], Command]:
    """Declare the permission that a command asks for. It stands directly under the command.

    `of` names one parameter, or two joined by a comma whose values name the target together. See `Declared`.
    """
    declared = Declared(permission, notes, tuple(filter(None, of.split(","))), finds, looks)

    def declare(command: Command) -> Command:
        @functools.wraps(command)
        def checked(*arguments: Any, **given: Any) -> Any:
            # A test may put something in its place that does nothing.
            run = checked.__wrapped__
            if not declared.acts or declared.looks(given):
                return run(*arguments, **given)
            with _permitted(declared, given):
                return run(*arguments, **given)

        setattr(checked, _DECLARED, declared)
        return checked  # type: ignore[return-value] # it takes and gives what the command does

    return declare


def declared_by(command: click.Command) -> Declared | None:
    """What a command asks for; None where it declares nothing."""
    return getattr(command.callback, _DECLARED, None)


def close_undeclared(command: click.Command) -> click.Command:
    """The command, or the group with all of its commands, of which those that declare nothing refuse to run."""
    if isinstance(command, click.Group):
        for one in command.commands.values():
            close_undeclared(one)
    elif declared_by(command) is None:
        command.callback = _refuse
    return command


def _refuse(**_given: Any) -> None:
    raise Failure("Nobody has said who may run this command: it declares no permission.")


@contextmanager
def _permitted(declared: Declared, given: Mapping[str, Any]) -> Iterator[None]:
    """Let whoever runs the command do what it is for, and write it down: before it is done, and again where it failed.

    Raises:
        Failure: their role has not the permission.
    """
    who = str(given.get("operator") or system_user())
    acts = _Acts(who, declared, given)
    role = acts.open()
    if role is None or not operator_may(role, declared.permission):
        acts.note("act.refused")
        needed = HOLDERS[declared.permission].role
        raise Failure(f"{who} may not do this: it needs the role {needed}." if role else f"{who} may do nothing here.")
    if declared.notes is None:
        yield
        return
    acts.note(declared.notes)
    try:
        yield
    except click.exceptions.Exit as left:
        if left.exit_code != 0 and not declared.finds:
            acts.note("act.failed")
        raise
    except Exception:
        acts.note("act.failed")
        raise


class _Acts:
    """What one command does, as the audit tells it."""

    def __init__(self, who: str, declared: Declared, given: Mapping[str, Any]) -> None:
        self._who = who
        self._command = click.get_current_context().command_path
        self._kind = (declared.notes or "command").partition(".")[0]
        self._targets = _targets(declared, given)
        self._told = {name: value for name, value in given.items() if _is_told(name, value, declared)}

    def open(self) -> Role | None:
        """The role of the person of this name, None for one who was shut out.

        Whoever is nobody's namesake holds the machine.
        """
        from cli.environment import database_connection
        from infra.postgres.people import find_name, find_person

        with database_connection() as connection:
            found = find_name(connection, self._who)
            if found is None:
                return Role.ADMIN
            person = find_person(connection, found[0])
        return None if person.disabled_at is not None else person.role

    def note(self, action: str) -> None:
        """In a transaction of its own."""
        from cli.environment import database_connection
        from cli.noted import note
        from infra.postgres.audit import Act, account_of_target

        detail: dict[str, Any] = {"command": self._command, **self._told}
        targets = self._targets
        if len(targets) > MAX_TARGETS:
            detail["targets"], targets = len(targets), [None]
        with database_connection() as connection:
            for target in targets:
                account_id = account_of_target(connection, self._kind, target)
                note(connection, self._who, Act(action, self._kind, target, account_id, detail))


def _targets(declared: Declared, given: Mapping[str, Any]) -> list[str | int | None]:
    values = [given[name] for name in declared.of]
    if len(values) > 1:
        # What is no text is for the command to refuse.
        return [" ".join(map(str, values))[:MAX_TARGET_LENGTH].encode(errors="replace").decode()]
    if not values:
        return [None]
    return list(values[0]) if isinstance(values[0], tuple) else [values[0]]


def _is_told(name: str, value: Any, declared: Declared) -> bool:
    """Whether a parameter is part of what is written down: numbers, choices, and the words that say why.

    What else is typed may be somebody's name or worse, and the audit outlasts an account.
    """
    if name in ("as_json", "operator") or name in declared.of:
        return False
    if isinstance(value, int | float):
        return value is not False and math.isfinite(value)
    return name in _WORDS and isinstance(value, str)
