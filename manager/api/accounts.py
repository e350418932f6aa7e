"""`/api/v1/accounts`."""

from __future__ import annotations

from flask import Response
from flask_openapi3.blueprint import APIBlueprint
from pydantic import Field

from infra.postgres.account_states import AccountState, account_state, list_account_states
from infra.postgres.connections import ConnectionLine, list_connections
from infra.postgres.costs import ShareOfType, costs_of_account
from infra.postgres.schedules import database_now
from manager.api.describing import answer, answers, resource
from manager.api.figures import FiguresAsked, FiguresTold, figures_told
from manager.api.own import own_account
from manager.api.shapes import ID, ONE_WORD, Page, Paged, Shape, Whole, Word, read_place
from manager.deps import Deps
from manager.roles import Role, requires

#: Connections that an account is shown with.
MAX_CONNECTIONS = 500


class AccountsAsked(Paged):
    """Which accounts."""

    named: Word | None = Field(default=None, description="Only those with this in their name.")
    troubled: bool = Field(default=False, description="Only those with broken connections or open breakers.")


class Accounts(Page[AccountState]):
    """Accounts by name."""


class AccountPath(Shape):
    """One account."""

    account_id: ID


class Account(Whole[AccountState]):
    """One account: what is in step, how much is held, what is left of its budgets."""


class AccountConnections(Shape):
    """The connections of an account."""

    items: list[ConnectionLine]


class AccountCosts(Shape):
    """An account's share of the queues' calls, of this day and of this month, by type."""

    items: list[ShareOfType]


def accounts_api(deps: Deps) -> APIBlueprint:
    """Looking at accounts."""
    accounts = resource("accounts", "Accounts: list, show, their connections, figures and costs.")
    _add_states(accounts, deps)
    _add_past(accounts, deps)
    return accounts


def _add_states(accounts: APIBlueprint, deps: Deps) -> None:
    @accounts.get("", responses=answers(Accounts))
    @requires(Role.VIEWER)
    def list_(query: AccountsAsked) -> Response:
        """Accounts by name, with how each stands."""
        (after,) = read_place(query.after, ONE_WORD) or (None,)
        with deps.database.transaction() as connection:
            found = list_account_states(
                connection, named=query.named, troubled=query.troubled, after=after, limit=query.limit + 1
            )
        return answer(Accounts.of(found, query.limit, lambda line: (line.name,)))

    @accounts.get("/<int:account_id>", responses=answers(Account, 404))
    @requires(Role.VIEWER, one_account=True)
    def show(path: AccountPath) -> Response:
        """One account."""
        own_account(path.account_id)
        with deps.database.transaction() as connection:
            return answer(Account(account_state(connection, path.account_id)))

    @accounts.get("/<int:account_id>/connections", responses=answers(AccountConnections, 404))
    @requires(Role.VIEWER, one_account=True)
    def connections(path: AccountPath) -> Response:
        """Its connections."""
        own_account(path.account_id)
        with deps.database.transaction() as connection:
            account_state(connection, path.account_id)
            found = list_connections(connection, account_id=path.account_id, limit=MAX_CONNECTIONS)
        return answer(AccountConnections(items=found))


def _add_past(accounts: APIBlueprint, deps: Deps) -> None:
    @accounts.get("/<int:account_id>/figures", responses=answers(FiguresTold, 404))
    @requires(Role.VIEWER, one_account=True)
    def figures(path: AccountPath, query: FiguresAsked) -> Response:
        """How well it was served: what finished, how long it ran and waited."""
        own_account(path.account_id)
        with deps.database.transaction() as connection:
            account_state(connection, path.account_id)
        return answer(figures_told(deps, query, account_id=path.account_id))

    @accounts.get("/<int:account_id>/costs", responses=answers(AccountCosts, 404))
    @requires(Role.VIEWER, one_account=True)
    def costs(path: AccountPath) -> Response:
        """Its share of the queues' calls."""
        own_account(path.account_id)
        with deps.database.transaction() as connection:
            account_state(connection, path.account_id)
            found = costs_of_account(connection, path.account_id, database_now(connection))
        return answer(AccountCosts(items=found))
