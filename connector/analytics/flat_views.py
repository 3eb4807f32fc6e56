"""The flat views of the topics: which rows and columns each has, whatever the engine. Pure.

A table of raw records stands under each view, as a sink or ``deploy/analytics/load.py`` fills it. The view has one row
for each record, or one for each element of a list of records. Columns come from the newest version of the schema:
nested records become columns with the record's name before them, lists and maps of plain values stay as they are.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final, TypeAlias

import schemas

AvroType: TypeAlias = Any


class Rows(Enum):
    """Which records of a topic are rows of its view."""

    ALL = auto()
    NEWEST = auto()  # the newest of each key, unless that is a tombstone
    ONCE = auto()  # one for each value of a column: with at_least_once, a record may come again


class ColumnType(Enum):
    """The types of columns."""

    TEXT = auto()
    INT = auto()
    LONG = auto()
    BOOLEAN = auto()
    DECIMAL = auto()
    TIME = auto()
    BYTES = auto()


@dataclass(frozen=True, slots=True)
class ListOf:
    item: "Shape"


@dataclass(frozen=True, slots=True)
class TextMap:
    """Keys and values are text."""


@dataclass(frozen=True, slots=True)
class Struct:
    """A record in a record; ``optional``: null where there is none."""

    fields: Sequence[tuple[str, "Shape"]]
    optional: bool


Shape: TypeAlias = ColumnType | ListOf | TextMap | Struct


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewColumn:
    """A column: its name, and where its value is in the record or in the element."""

    name: str
    path: tuple[str, ...]
    shape: Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Flattened:
    """A topic's raw table and the view of its records. ``once`` is the column that tells records apart."""

    dataset: str
    record: str
    rows: Rows
    columns: Sequence[ViewColumn]
    once: str | None = None

    @property
    def raw(self) -> str:
        return f"raw_{self.dataset}"

    @property
    def required(self) -> str:
        """A field that no record lacks."""
        return self.columns[0].name


@dataclass(frozen=True, slots=True, kw_only=True)
class Exploded:
    """A view with one row for each element of a list in another view; ``kept`` are that view's columns."""

    name: str
    source: str
    element_of: str
    kept: Sequence[str]
    columns: Sequence[ViewColumn]


KAFKA_COLUMNS: Final = ("kafka_topic", "kafka_partition", "kafka_offset", "kafka_timestamp", "kafka_key")
"""Where a record was read: first in each raw table and view."""

OUTCOMES: Final = "offer_outcomes"
"""The view that has the row that counts of each result_id."""

_TOPICS: Final[Mapping[str, tuple[str, Rows, str | None]]] = {
    "offer_changes": ("offer_changed", Rows.ALL, None),
    "offer_results": ("offer_result", Rows.ALL, None),
    "offers_not_found": ("offer_not_found", Rows.NEWEST, None),
    "marketplace_calls": ("marketplace_called", Rows.ONCE, "call_id"),
    "offer_state": ("offer_state", Rows.NEWEST, None),
    "routing": ("routing_accepted", Rows.NEWEST, None),
    "replays": ("replay_progress", Rows.NEWEST, None),
    "shipments": ("shipment_dispatched", Rows.ALL, None),
    "shipment_results": ("shipment_result", Rows.ALL, None),
    "orders": ("order_observed", Rows.NEWEST, None),
    "order_changes": ("order_observed", Rows.ALL, None),
    "returns": ("return_observed", Rows.NEWEST, None),
    "sales_orders": ("sales_order_requested", Rows.ONCE, "command_id"),
    "units": ("unit_observed", Rows.NEWEST, None),
    "drift": ("offer_drifted", Rows.ONCE, "drift_id"),
}
"""Dataset -> record, and which of its records are rows."""

NOT_FLAT: Final[Mapping[str, str]] = {
    "offer_field_result": "flat as it is: offer_result_fields has the same",
    "control_command": "commands of people: `connector hold list` and the like show them",
    "shipment_state": "internal",
    "scheduler_command": "internal",
    "scheduler_state": "internal",
    "order_contact": "personal data: nobody gets it by loading everything",
}
"""Records without a view, with the reason."""

_EXPLODED: Final = (
    ("offer_result_fields", "offer_results", "fields", "field"),
    ("offer_outcome_fields", OUTCOMES, "fields", "field"),
    ("offer_result_errors", "offer_results", "problem_errors", "error"),
    ("offers_not_found_candidates", "offers_not_found", "candidates", "candidate"),
    ("offers_not_found_pending", "offers_not_found", "pending", "pending"),
    ("routing_targets", "routing", "targets", "target"),
    ("marketplace_call_items", "marketplace_calls", "items", "item"),
    ("offer_state_units", "offer_state", "units", "unit"),
    ("offer_state_fields", "offer_state_units", "unit_fields", "field"),
    ("offer_state_undone", "offer_state", "undone", "undone"),
    ("offer_state_undone_fields", "offer_state_undone", "undone_fields", "field"),
    ("shipment_items", "shipments", "items", "item"),
    ("shipment_parcels", "shipments", "parcels", "parcel"),
    ("shipment_result_errors", "shipment_results", "marketplace_errors", "error"),
    ("order_units", "orders", "units", "unit"),
    ("order_unit_discounts", "order_units", "unit_discounts", "discount"),
    ("order_change_units", "order_changes", "units", "unit"),
    ("return_units", "returns", "units", "unit"),
    ("sales_order_units", "sales_orders", "units", "unit"),
)
"""View, the view with the list, the list, and the word before the element's columns."""

LEFT_NESTED: Final = frozenset({("sales_order_units", "unit_discounts"), ("order_change_units", "unit_discounts")})
"""View and column of lists of records that no view takes apart, because another view has the same."""

_MEMORY: Final = "offer_state"
"""Has lists that are the connector's own memory."""


def flattened() -> tuple[Flattened, ...]:
    """Returns the view of each topic's records, in the newest version of its schema."""
    return tuple(
        Flattened(dataset=dataset, record=record, rows=rows, columns=_columns(record), once=once)
        for dataset, (record, rows, once) in _TOPICS.items()
    )


def exploded() -> tuple[Exploded, ...]:
    """Returns the views of lists of records; raises ``ValueError`` where two columns would have one name."""
    known = {view.dataset: tuple(view.columns) for view in flattened()}
    known[OUTCOMES] = known["offer_results"]
    found = []
    for name, source, element_of, word in _EXPLODED:
        (exploded_column,) = (column for column in known[source] if column.name == element_of)
        item = _list_of_records(exploded_column.shape)
        if item is None:
            raise ValueError(f"{name}: {element_of} of {source} is no list of records")
        columns = tuple(
            ViewColumn(name=_with_word(word, column.name), path=column.path, shape=column.shape)
            for column in _flat(item, ())
        )
        kept = tuple(column for column in known[source] if _list_of_records(column.shape) is None)
        names = [column.name for column in (*kept, *columns)]
        if len(names) != len(set(names)):
            raise ValueError(f"{name}: two columns with one name among {sorted(names)}")
        known[name] = (*kept, *columns)
        found.append(
            Exploded(
                name=name,
                source=source,
                element_of=element_of,
                kept=tuple(column.name for column in kept),
                columns=columns,
            )
        )
    return tuple(found)


def lists_without_view() -> tuple[tuple[str, str], ...]:
    """Returns view and column of each list of records that no view takes apart, without those of states."""
    taken = {(source, element_of) for _, source, element_of, _ in _EXPLODED}
    views = [(view.dataset, view.columns) for view in flattened()] + [(view.name, view.columns) for view in exploded()]
    return tuple(
        (name, column.name)
        for name, columns in views
        if not name.startswith(_MEMORY)
        for column in columns
        if _list_of_records(column.shape) is not None and (name, column.name) not in taken
    )


def _list_of_records(shape: Shape) -> Struct | None:
    return shape.item if isinstance(shape, ListOf) and isinstance(shape.item, Struct) else None


def _with_word(word: str, name: str) -> str:
    """``status`` of an element ``unit`` is ``unit_status``; ``unit`` and ``order_unit_id`` say it by themselves."""
    return name if word in name.split("_") else f"{word}_{name}"


def _columns(record: str) -> tuple[ViewColumn, ...]:
    shape = shape_of(schemas.load(record, schemas.newest(record)))
    if not isinstance(shape, Struct):
        raise TypeError(f"{record} is no record")
    return tuple(_flat(shape, ()))


def _flat(record: Struct, path: tuple[str, ...]) -> Iterator[ViewColumn]:
    for name, shape in record.fields:
        here = (*path, name)
        if isinstance(shape, Struct):
            yield from _flat(shape, here)
        else:
            yield ViewColumn(name="_".join(here), path=here, shape=shape)


# ---- Avro -----------------------------------------------------------------------------------------------------------


def shape_of(avro: AvroType, known: dict[str, AvroType] | None = None) -> Shape:
    """Returns the shape of a parsed Avro schema; raises ``ValueError`` for what the views cannot show."""
    known = {} if known is None else known
    if isinstance(avro, list):
        (one,) = (branch for branch in avro if branch != "null")
        shape = shape_of(one, known)
        return Struct(shape.fields, optional=True) if isinstance(shape, Struct) else shape
    if isinstance(avro, str):
        return _PLAIN[avro] if avro in _PLAIN else shape_of(known[avro], known)
    if "name" in avro:
        known[avro["name"]] = avro
    match avro["type"]:
        case "record":
            fields = [(field["name"], shape_of(field["type"], known)) for field in avro["fields"]]
            return Struct(tuple(fields), optional=False)
        case "array":
            return ListOf(shape_of(avro["items"], known))
        case "map":
            return TextMap()
        case "enum":
            return ColumnType.TEXT
        case plain:
            return _LOGICAL.get(avro.get("logicalType", "")) or _PLAIN[plain]


_PLAIN: Final[Mapping[str, ColumnType]] = {
    "string": ColumnType.TEXT,
    "int": ColumnType.INT,
    "long": ColumnType.LONG,
    "boolean": ColumnType.BOOLEAN,
    "bytes": ColumnType.BYTES,
}
_LOGICAL: Final[Mapping[str, ColumnType]] = {"decimal": ColumnType.DECIMAL, "timestamp-micros": ColumnType.TIME}
