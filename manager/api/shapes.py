"""What requests and answers are made of: IDs, words, places in lists."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from functools import cache
from typing import Annotated, Any, Generic, Self, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    RootModel,
    TypeAdapter,
    ValidationError,
)

from retinue.errors import RetinueError

Row = TypeVar("Row")
Where = TypeVar("Where")

#: What PostgreSQL's bigint holds.
ID = Annotated[int, Field(ge=1, le=2**63 - 1)]


def _years(moment: AwareDatetime) -> AwareDatetime:
    if not 1970 <= moment.year < 9000:
        raise ValueError("must be in the years 1970 to 8999")
    return moment


#: A point in time with its zone, which PostgreSQL can hold.
Moment = Annotated[AwareDatetime, AfterValidator(_years)]

#: A name, a type, a lane: printable, and not too long.
Word = Annotated[str, Field(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]+$")]

#: A text of several lines.
Text = Annotated[str, Field(max_length=4000, pattern=r"^[^\x00]*$")]

Fingerprint = Annotated[str, Field(pattern=r"^[0-9a-f]{8}$")]

#: The most that one page of a list holds.
MAX_PAGE = 500


class Shape(BaseModel):
    """Something that requests or answers are made of."""

    @classmethod
    def model_json_schema(cls, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Made once for each shape: it is asked for with every request and by every application."""
        return _schema(super().model_json_schema, *args, **kwargs)


@cache
def _schema(make: Callable[..., dict[str, Any]], *args: Any, **kwargs: Any) -> dict[str, Any]:
    return make(*args, **kwargs)


class Whole(RootModel[Row], Shape, Generic[Row]):
    """An answer that is one thing."""


class Asked(Shape):
    """What a request says; what it does not know is refused, so that a misspelt filter does not find everything."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Paged(Asked):
    """A page of a list."""

    limit: int = Field(default=50, ge=1, le=MAX_PAGE, description="At most so many.")
    after: str | None = Field(
        default=None, max_length=2000, description="Where the page begins: `next` of the page before."
    )


class Page(Shape, Generic[Row]):
    """A page of a list."""

    items: list[Row]
    next: str | None = Field(description="`after` of the next page; null at the end.")

    @classmethod
    def of(cls, found: Sequence[Row], limit: int, behind: Callable[[Row], tuple[Any, ...]]) -> Self:
        """The page, where one row more was asked for than it holds; `behind` is a row's place in the list."""
        return cls(**cls.cut(found, limit, behind))

    @staticmethod
    def cut(found: Sequence[Row], limit: int, behind: Callable[[Row], tuple[Any, ...]]) -> dict[str, Any]:
        """The same for a page that says more."""
        following = place(*behind(found[limit - 1])) if len(found) > limit else None
        return {"items": list(found[:limit]), "next": following}


class BadPlace(RetinueError):
    """`after` is what the page before gave as `next`, and nothing else."""


TIME_AND_ID = TypeAdapter(tuple[Moment, ID])
#: An account's; 0 stands for none.
ACCOUNT_ID = Annotated[int, Field(ge=0, le=2**63 - 1)]

ONE_ID = TypeAdapter(tuple[ID])
ONE_WORD = TypeAdapter(tuple[Word])
TWO_WORDS = TypeAdapter(tuple[Word, Word])


def read_place(after: str | None, shape: TypeAdapter[Where]) -> Where | None:
    """Behind what a page begins; None at the beginning.

    Raises:
        BadPlace: it is none of this list's places.
    """
    if after is None:
        return None
    try:
        return shape.validate_json(base64.b64decode(after.encode(), altchars=b"-_", validate=True))
    except (ValidationError, UnicodeEncodeError, binascii.Error):
        raise BadPlace(str(BadPlace.__doc__)) from None


def place(*parts: Any) -> str:
    """A place in a list, as `read_place` reads it."""
    return base64.urlsafe_b64encode(TypeAdapter(tuple[Any, ...]).dump_json(parts)).decode()
