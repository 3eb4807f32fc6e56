"""The flat views as SQL for DuckDB, ClickHouse and Snowflake. Pure.

Each engine gets the same views with the same columns. What differs is the table of raw records below them: DuckDB has
the record in a column ``value``, ClickHouse has a column for each of its fields, and Snowflake has what its Kafka
connector writes, a VARIANT without types.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from connector.analytics.flat_views import (
    KAFKA_COLUMNS,
    OUTCOMES,
    ColumnType,
    Exploded,
    Flattened,
    ListOf,
    Rows,
    Shape,
    Struct,
    TextMap,
    ViewColumn,
    exploded,
    flattened,
)
from streams.dead_letter import ATTEMPTS, CODE, CONNECT

_HEAD: Final = """\
-- Flat views of the topics for {engine}. Printed by `connector contracts export --format sql`: do not edit.
-- Every time is UTC without a zone, every amount a decimal. docs/analytics.md says how the tables are filled and read.
"""
_RESERVED: Final = frozenset({"start", "end", "position"})
_LAST_IN_PARTITION: Final = "ORDER BY kafka_offset DESC"

_LETTER: Final = (
    ("input_topic", f"{CONNECT}topic", ColumnType.TEXT),
    ("input_partition", f"{CONNECT}partition", ColumnType.INT),
    ("input_offset", f"{CONNECT}offset", ColumnType.LONG),
    ("code", CODE, ColumnType.TEXT),
    ("attempts", ATTEMPTS, ColumnType.INT),
    ("message", f"{CONNECT}exception.message", ColumnType.TEXT),
)
"""Column of a dead letter, the header that it comes from, and its type."""

_RULES: Final = """\
-- The rule for reading: one row of each input record. The newest answer that is no replay counts; a replay's only where
-- there is no other, which is_replay says. Values sent again (RESEND) are no events. is_redrive: the record came back
-- from a dead letter.
CREATE OR REPLACE VIEW offer_outcomes AS
SELECT
  r.*,
  r.origin = 'REPLAY' AS is_replay,
  MAX(CASE WHEN r.origin = 'REDRIVE' THEN 1 ELSE 0 END) OVER (PARTITION BY r.result_id) = 1 AS is_redrive
FROM offer_results AS r
WHERE r.origin <> 'RESEND'
QUALIFY ROW_NUMBER() OVER (
  PARTITION BY r.result_id
  ORDER BY CASE r.origin WHEN 'REPLAY' THEN 1 ELSE 0 END, r.decided_at DESC, r.kafka_partition, r.kafka_offset DESC
) = 1;

-- One row of each order unit and event: an answer that says that a parcel was taken before one that finds it done.
CREATE OR REPLACE VIEW shipment_outcomes AS
SELECT s.*
FROM shipment_results AS s
QUALIFY ROW_NUMBER() OVER (
  PARTITION BY s.result_id
  ORDER BY
    CASE WHEN s.status IN ('CONFIRMED', 'CONFIRMED_TRACKING_UNVERIFIED', 'PARCEL_ADDED') THEN 0 ELSE 1 END,
    s.decided_at DESC, s.kafka_partition, s.kafka_offset DESC
) = 1;
"""

_RULES_OF_ELEMENTS: Final = """\
-- The event that counts in the end, of each event and field that a newer event replaced: the last of its chain, which
-- was not replaced itself. hops: how long the chain is. An event of another EAN of the product has no row here.
CREATE OR REPLACE VIEW offer_winners AS
WITH RECURSIVE chains AS (
  SELECT f.result_id AS result_id, f.field AS field, f.field_superseded_by AS winner, 1 AS hops
  FROM offer_outcome_fields AS f
  WHERE f.field_superseded_by IS NOT NULL
  UNION ALL
  SELECT c.result_id AS result_id, c.field AS field, f.field_superseded_by AS winner, c.hops + 1 AS hops
  FROM chains AS c
  JOIN offer_outcome_fields AS f ON f.result_id = c.winner AND f.field = c.field
  WHERE f.field_superseded_by IS NOT NULL AND c.hops < 1000
)
SELECT c.result_id AS result_id, c.field AS field, c.winner AS winner, c.hops AS hops
FROM chains AS c
QUALIFY ROW_NUMBER() OVER (PARTITION BY c.result_id, c.field ORDER BY c.hops DESC) = 1;

-- Account and storefront of each target, as the connector's groups have accepted them.
CREATE OR REPLACE VIEW targets AS
SELECT DISTINCT t.target_id AS target_id, t.target_account AS account, t.target_storefront AS storefront
FROM routing_targets AS t;
"""


class Dialect(ABC):
    """What an engine calls its types, and how it reads records and lists."""

    engine: str
    plain: Mapping[ColumnType, str]
    raw_dead_letters: str

    @abstractmethod
    def raw_table(self, view: Flattened) -> str: ...
    @abstractmethod
    def header(self, name: str) -> str: ...
    @abstractmethod
    def kafka(self, column: str) -> str: ...
    @abstractmethod
    def field(self, column: ViewColumn) -> str: ...
    @abstractmethod
    def present(self, view: Flattened, /) -> str: ...
    @abstractmethod
    def element(self, column: ViewColumn) -> str: ...
    @abstractmethod
    def elements(self, view: Exploded) -> str: ...

    def script(self) -> str:
        """Returns tables and views in the order in which they can be made."""
        parts = [_HEAD.format(engine=self.engine)]
        parts += [self.raw_table(view) for view in flattened()]
        parts.append(self.raw_dead_letters)
        parts += [self._records(view) for view in flattened()]
        parts.append(self._dead_letters())
        parts.append(_RULES)
        parts += [self._elements(view) for view in exploded()]
        parts.append(_RULES_OF_ELEMENTS)
        return "\n".join(parts)

    def _records(self, view: Flattened) -> str:
        columns = [f"  {self.kafka(column)} AS {column}" for column in KAFKA_COLUMNS]
        columns += [f"  {self.field(column)} AS {quoted(column.name)}" for column in view.columns]
        return "\n".join(
            [
                f"CREATE OR REPLACE VIEW {view.dataset} AS",
                "SELECT",
                ",\n".join(columns),
                f"FROM {view.raw} AS r",
                *self._which(view),
            ]
        )

    def _dead_letters(self) -> str:
        columns = [f"  {self.kafka(column)} AS {column}" for column in KAFKA_COLUMNS]
        columns += [f"  {self._header(name, kind)} AS {column}" for column, name, kind in _LETTER]
        return "\n".join(
            ["CREATE OR REPLACE VIEW dead_letters AS", "SELECT", ",\n".join(columns), "FROM raw_dead_letters AS r;\n"]
        )

    def _header(self, name: str, kind: ColumnType) -> str:
        return self.header(name) if kind is ColumnType.TEXT else f"CAST({self.header(name)} AS {self.plain[kind]})"

    def _which(self, view: Flattened) -> Iterator[str]:
        match view.rows:
            case Rows.ALL:
                yield f"WHERE {self.present(view)};\n"
            case Rows.NEWEST:
                yield f"QUALIFY ROW_NUMBER() OVER (PARTITION BY kafka_key {_LAST_IN_PARTITION}) = 1"
                yield f"  AND {self.present(view)};\n"
            case Rows.ONCE:
                yield f"WHERE {self.present(view)}"
                yield f"QUALIFY ROW_NUMBER() OVER (PARTITION BY {view.once} {_LAST_IN_PARTITION}) = 1;\n"

    def _elements(self, view: Exploded) -> str:
        columns = [f"  s.{quoted(name)} AS {quoted(name)}" for name in (*KAFKA_COLUMNS, *view.kept)]
        columns += [f"  {self.element(column)} AS {quoted(column.name)}" for column in view.columns]
        if view.source == OUTCOMES:
            columns += ["  s.is_replay AS is_replay", "  s.is_redrive AS is_redrive"]
        return "\n".join(
            [f"CREATE OR REPLACE VIEW {view.name} AS", "SELECT", ",\n".join(columns), f"{self.elements(view)};\n"]
        )


class DuckDb(Dialect):
    """The record is a STRUCT in the column ``value``, null for a tombstone or what cannot be read."""

    engine = "DuckDB"
    raw_dead_letters = """\
CREATE TABLE IF NOT EXISTS raw_dead_letters (
  kafka_topic VARCHAR,
  kafka_partition INTEGER,
  kafka_offset BIGINT,
  kafka_timestamp TIMESTAMP,
  kafka_key VARCHAR,
  headers MAP(VARCHAR, VARCHAR)
);
"""
    plain: Mapping[ColumnType, str] = {
        ColumnType.TEXT: "VARCHAR",
        ColumnType.INT: "INTEGER",
        ColumnType.LONG: "BIGINT",
        ColumnType.BOOLEAN: "BOOLEAN",
        ColumnType.DECIMAL: "DECIMAL(18, 4)",
        ColumnType.TIME: "TIMESTAMP",
        ColumnType.BYTES: "VARCHAR",  # in base64: bodies of calls
    }

    def raw_columns(self, view: Flattened) -> dict[str, str]:
        """Returns name and type of each column of the raw table."""
        return {
            "kafka_topic": "VARCHAR",
            "kafka_partition": "INTEGER",
            "kafka_offset": "BIGINT",
            "kafka_timestamp": "TIMESTAMP",
            "kafka_key": "VARCHAR",
            "value": self._type(_nested(view.columns)),
        }

    def raw_table(self, view: Flattened) -> str:
        columns = ",\n".join(f"  {name} {kind}" for name, kind in self.raw_columns(view).items())
        return f"CREATE TABLE IF NOT EXISTS {view.raw} (\n{columns}\n);\n"

    def header(self, name: str) -> str:
        return f"r.headers['{name}']"

    def kafka(self, column: str) -> str:
        return f"r.{column}"

    def field(self, column: ViewColumn) -> str:
        return "r.value." + ".".join(quoted(part) for part in column.path)

    def present(self, _: Flattened, /) -> str:
        return "r.value IS NOT NULL"

    def element(self, column: ViewColumn) -> str:
        return "u.element." + ".".join(quoted(part) for part in column.path)

    def elements(self, view: Exploded) -> str:
        return f"FROM {view.source} AS s, UNNEST(s.{quoted(view.element_of)}) AS u(element)"

    def _type(self, shape: Shape) -> str:
        match shape:
            case ColumnType():
                return self.plain[shape]
            case ListOf(item):
                return f"{self._type(item)}[]"
            case TextMap():
                return "MAP(VARCHAR, VARCHAR)"
            case Struct(fields=fields):
                return f"STRUCT({', '.join(f'{quoted(name)} {self._type(kind)}' for name, kind in fields)})"


class ClickHouse(Dialect):
    """Each field of the record is a column; a record that may be null is a Tuple of nullable elements."""

    engine = "ClickHouse"
    raw_dead_letters = """\
CREATE TABLE IF NOT EXISTS raw_dead_letters (
  kafka_topic LowCardinality(String),
  kafka_partition Int32,
  kafka_offset Int64,
  kafka_timestamp DateTime64(6, 'UTC'),
  kafka_key String,
  headers Map(String, String)
) ENGINE = ReplacingMergeTree ORDER BY (kafka_topic, kafka_partition, kafka_offset);
"""
    plain: Mapping[ColumnType, str] = {
        ColumnType.TEXT: "String",
        ColumnType.INT: "Int32",
        ColumnType.LONG: "Int64",
        ColumnType.BOOLEAN: "Bool",
        ColumnType.DECIMAL: "Decimal(18, 4)",
        ColumnType.TIME: "DateTime64(6, 'UTC')",
        ColumnType.BYTES: "String",
    }

    def raw_table(self, view: Flattened) -> str:
        columns = [
            "  kafka_topic LowCardinality(String)",
            "  kafka_partition Int32",
            "  kafka_offset Int64",
            "  kafka_timestamp DateTime64(6, 'UTC')",
            "  kafka_key String",
            "  is_tombstone Bool DEFAULT false",
            *(f"  {quoted(name)} {self._type(shape)}" for name, shape in _nested(view.columns).fields),
        ]
        return (
            f"CREATE TABLE IF NOT EXISTS {view.raw} (\n"
            + ",\n".join(columns)
            + "\n) ENGINE = ReplacingMergeTree ORDER BY (kafka_topic, kafka_partition, kafka_offset);\n"
        )

    def header(self, name: str) -> str:
        return f"r.headers['{name}']"

    def kafka(self, column: str) -> str:
        return f"r.{column}"

    def field(self, column: ViewColumn) -> str:
        return "r." + ".".join(quoted(part) for part in column.path)

    def present(self, _: Flattened, /) -> str:
        return "NOT r.is_tombstone"

    def element(self, column: ViewColumn) -> str:
        value = "element"
        for part in column.path:
            value = f"tupleElement({value}, '{part}')"
        return value

    def elements(self, view: Exploded) -> str:
        return f"FROM {view.source} AS s ARRAY JOIN s.{quoted(view.element_of)} AS element"

    def _type(self, shape: Shape, *, null: bool = True) -> str:
        match shape:
            case ColumnType():
                return f"Nullable({self.plain[shape]})" if null else self.plain[shape]
            case ListOf(item):
                return f"Array({self._type(item, null=False)})"
            case TextMap():
                return "Map(String, String)"
            case Struct(fields=fields):
                return f"Tuple({', '.join(f'{quoted(name)} {self._type(kind)}' for name, kind in fields)})"


class Snowflake(Dialect):
    """The record is a VARIANT, as Snowflake's Kafka connector writes it: every type is a cast of the view."""

    engine = "Snowflake"
    raw_dead_letters = (
        "CREATE TABLE IF NOT EXISTS raw_dead_letters (RECORD_METADATA VARIANT, RECORD_CONTENT VARIANT);\n"
    )
    plain: Mapping[ColumnType, str] = {
        ColumnType.TEXT: "VARCHAR",
        ColumnType.INT: "NUMBER(10, 0)",
        ColumnType.LONG: "NUMBER(19, 0)",
        ColumnType.BOOLEAN: "BOOLEAN",
        ColumnType.DECIMAL: "NUMBER(18, 4)",
        ColumnType.BYTES: "VARCHAR",
    }
    _metadata: Mapping[str, str] = {
        "kafka_topic": "r.RECORD_METADATA:topic::VARCHAR",
        "kafka_partition": "r.RECORD_METADATA:partition::NUMBER(10, 0)",
        "kafka_offset": "r.RECORD_METADATA:offset::NUMBER(19, 0)",
        "kafka_timestamp": "TO_TIMESTAMP_NTZ(r.RECORD_METADATA:CreateTime::NUMBER(19, 0), 3)",
        "kafka_key": "r.RECORD_METADATA:key::VARCHAR",
    }

    def raw_table(self, view: Flattened) -> str:
        return f"CREATE TABLE IF NOT EXISTS {view.raw} (RECORD_METADATA VARIANT, RECORD_CONTENT VARIANT);\n"

    def header(self, name: str) -> str:
        return f"r.RECORD_METADATA:headers['{name}']::VARCHAR"

    def kafka(self, column: str) -> str:
        return self._metadata[column]

    def field(self, column: ViewColumn) -> str:
        return self._cast(f"r.RECORD_CONTENT:{'.'.join(_in_variant(part) for part in column.path)}", column.shape)

    def present(self, view: Flattened, /) -> str:
        return f"r.RECORD_CONTENT:{view.required} IS NOT NULL"

    def element(self, column: ViewColumn) -> str:
        return self._cast(f"u.VALUE:{'.'.join(_in_variant(part) for part in column.path)}", column.shape)

    def elements(self, view: Exploded) -> str:
        return f"FROM {view.source} AS s, LATERAL FLATTEN(INPUT => s.{quoted(view.element_of)}) AS u"

    def _cast(self, value: str, shape: Shape) -> str:
        match shape:
            case ColumnType.TIME:
                return f"TO_TIMESTAMP_NTZ({value}::NUMBER(19, 0), 6)"
            case ColumnType():
                return f"{value}::{self.plain[shape]}"
            case ListOf():
                return f"{value}::ARRAY"
            case TextMap() | Struct():
                return f"{value}::OBJECT"


DIALECTS: Final[Mapping[str, Dialect]] = {"duckdb": DuckDb(), "clickhouse": ClickHouse(), "snowflake": Snowflake()}
"""File name -> engine."""


def quoted(name: str) -> str:
    """Returns the name, in quotes if it is a word of SQL."""
    return f'"{name}"' if name in _RESERVED else name


def _in_variant(name: str) -> str:
    return f'"{name}"'


def _nested(columns: Sequence[ViewColumn]) -> Struct:
    """Returns the record that the columns were flattened from."""
    fields: dict[str, list[ViewColumn]] = {}
    for column in columns:
        fields.setdefault(column.path[0], []).append(column)
    return Struct(
        tuple(
            (
                name,
                of_name[0].shape
                if len(of_name[0].path) == 1
                else _nested(
                    [ViewColumn(name=one.name, path=one.path[1:], shape=one.shape) for one in of_name],
                ),
            )
            for name, of_name in fields.items()
        ),
        optional=True,
    )
