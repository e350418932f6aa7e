"""In which order a list is shown, as its address says."""

from __future__ import annotations

from enum import StrEnum
from typing import TypeVar

from flask import request
from werkzeug.exceptions import BadRequest

from manager.account.principals import current_principal

Order = TypeVar("Order", bound=StrEnum)


def order_of_address(orders: type[Order]) -> Order:
    """The order that the address names; the first one where it names none, and always where names are masked.

    Raises:
        BadRequest: there is no such order.
    """
    given = request.args.get("order")
    # Masked names are all alike: to sort by them would read everything.
    if given is None or current_principal().is_assumed:
        return next(iter(orders))
    try:
        return orders(given)
    except ValueError:
        raise BadRequest(f"This list has the orders {', '.join(orders)}.") from None
