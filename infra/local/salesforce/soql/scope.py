"""What a query's names mean: fields, parents reached along references, and the joins that takes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date

from infra.local.salesforce.errors import SalesforceError, no_such_column
from infra.local.salesforce.formulas import column_sql
from infra.local.salesforce.metadata import Field, Schema, SObject, new_field
from infra.local.salesforce.soql import syntax
from infra.local.salesforce.soql.places import RELATIONSHIP_ADVICE, Misplaced, invalid_field

#: "No more than five levels can be specified in a child-to-parent relationship" ("Relationship Query Limitations").
MAX_LEVELS = 5

#: "No more than 55 child-to-parent relationships can be specified in a query"; SQLite joins 64 tables.
MAX_JOINS = 55

#: What may be asked of a parent that may be of several objects ("Name" object).
_NAME_FIELDS = frozenset(
    {"id", "name", "firstname", "lastname", "title", "email", "phone"}
    | {"username", "alias", "isactive", "profileid", "userroleid"}
)

TEXT_TYPES = frozenset({"string", "textarea", "email", "phone", "url", "picklist", "combobox", "multipicklist"})


@dataclass(frozen=True)
class Catalog:
    """What a statement is made against: what its reader may see, what there is (formulas see it all), and the day."""

    schema: Schema
    full: Schema
    today: date
    all_rows: bool
    aliases: Iterator[int]


@dataclass(frozen=True)
class Source:
    """An object whose row goes by `alias` in the statement."""

    object: SObject
    alias: str


@dataclass(frozen=True)
class Resolved:
    """What an operand means: SQL of its value, the field to read it by, and its names as the org has them."""

    sql: str
    field: Field
    names: tuple[str, ...]
    object: str

    @property
    def collated(self) -> str:
        """The SQL for comparing and sorting: text knows no case unless its field says so."""
        free = self.field.type in TEXT_TYPES and not self.field.case_sensitive
        return f"{self.sql} COLLATE NOCASE" if free else self.sql


@dataclass(frozen=True)
class Node:
    """A parent (or the object itself): its names, and the source for each object it may be of.

    `several` says that there are several such objects, though the user may see but one of them.
    """

    names: tuple[str, ...]
    sources: tuple[Source, ...]
    several: bool = False

    @property
    def id_sql(self) -> str:
        return _first([f'"{source.alias}"."Id"' for source in self.sources])

    @property
    def type_sql(self) -> str:
        """Which object the row is of."""
        cases = " ".join(
            f'WHEN "{source.alias}"."Id" IS NOT NULL THEN \'{source.object.name}\'' for source in self.sources
        )
        return f"CASE {cases} END"


class Scope:
    """The names of one query (each subquery has its own)."""

    def __init__(self, catalog: Catalog, source: SObject, query: syntax.Query) -> None:
        self.catalog = catalog
        self.root = Node((), (Source(source, self._alias(catalog)),))
        self.joins: list[str] = []
        self._prefixes = {name.lower() for name in (source.name, query.alias) if name}
        self._nodes: dict[tuple[str, ...], Node] = {(): self.root}

    @property
    def object(self) -> SObject:
        return self.root.sources[0].object

    def from_sql(self) -> str:
        """The FROM clause with every join that was needed."""
        source = self.root.sources[0]
        return " ".join([f'FROM "{source.object.table}" AS "{source.alias}"', *self.joins])

    def alive_sql(self) -> str | None:
        """The condition that the row is not in the recycle bin, or None where those count too."""
        source = self.root.sources[0]
        whole = self.catalog.full.object(source.object.name)
        return None if self.catalog.all_rows or not whole.has_deleted else f'"{source.alias}"."IsDeleted" = 0'

    def field(self, path: syntax.Path) -> Resolved:
        """What a path means.

        Raises:
            Misplaced: INVALID_FIELD, there is no such field or relationship for this user.
        """
        try:
            *parents, last = self._own(path.names)
            return self.of_node(self.node(tuple(parents)), last)
        except SalesforceError as error:
            raise Misplaced(path.at, error) from None

    def node(self, names: tuple[str, ...]) -> Node:
        """The parent these words lead to; joins it if nobody has."""
        key = tuple(name.lower() for name in names)
        if len(key) > MAX_LEVELS:
            raise invalid_field(f"A field path may go up at most {MAX_LEVELS} levels: {'.'.join(names)}")
        if key not in self._nodes:
            self._nodes[key] = self._join(self.node(names[:-1]), names[-1])
        return self._nodes[key]

    def of_node(self, node: Node, name: str) -> Resolved:
        """A parent's field."""
        if node.several:
            return self._of_several(node, name)
        source = node.sources[0]
        field = source.object.field(name)
        sql, names = self.sql(source, field), (*node.names, field.name)
        # There may be no such parent.
        return Resolved(sql, replace(field, nillable=field.nillable or bool(node.names)), names, source.object.name)

    def sql(self, source: Source, field: Field) -> str:
        """The SQL that reads a field of a source."""
        full = self.catalog.full
        return column_sql(full, full.object(source.object.name), field, source.alias)

    def _own(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """The names without the object's name or alias in front, unless that is a relationship."""
        prefixed = len(names) > 1 and names[0].lower() in self._prefixes
        return names[1:] if prefixed and self.object.relationship(names[0]) is None else names

    def _of_several(self, node: Node, name: str) -> Resolved:
        if name.lower() == "type":
            return Resolved(node.type_sql, new_field("Type", "string"), (*node.names, "Type"), "Name")
        found = [(source, source.object.find(name)) for source in node.sources]
        fields = [(source, field) for source, field in found if field is not None]
        if name.lower() not in _NAME_FIELDS or not fields:
            raise no_such_column("Name", name)
        field = fields[0][1]
        sql = _first([self.sql(source, one) for source, one in fields])
        return Resolved(sql, replace(field, nillable=True), (*node.names, field.name), "Name")

    def _join(self, child: Node, word: str) -> Node:
        source = child.sources[0]
        reference = None if child.several else source.object.relationship(word)
        parents = [self.catalog.schema.find(name) for name in reference.reference_to] if reference else []
        visible = [parent for parent in parents if parent is not None]
        if reference is None or reference.relationship is None or not visible:
            raise _no_such_relationship(word)
        points = self.sql(source, reference)
        sources = tuple(self._joined(parent, points) for parent in visible)
        return Node((*child.names, reference.relationship), sources, several=len(parents) > 1)

    def _joined(self, parent: SObject, points: str) -> Source:
        if len(self.joins) == MAX_JOINS:
            raise invalid_field(f"A query may go along at most {MAX_JOINS} relationships")
        source = Source(parent, self._alias(self.catalog))
        self.joins.append(f'LEFT JOIN "{parent.table}" AS "{source.alias}" ON "{source.alias}"."Id" = {points}')
        return source

    @staticmethod
    def _alias(catalog: Catalog) -> str:
        return f"t{next(catalog.aliases)}"


def _first(parts: list[str]) -> str:
    """The one that is not null."""
    return parts[0] if len(parts) == 1 else f"COALESCE({', '.join(parts)})"


def _no_such_relationship(word: str) -> SalesforceError:
    return invalid_field(f"Didn't understand relationship '{word}' in field path. {RELATIONSHIP_ADVICE}")
