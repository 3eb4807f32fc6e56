"""Fills a DuckDB file with the connector's topics, makes the flat views, and draws a first chart.

    python deploy/analytics/load.py --broker 127.0.0.1:9092 --registry http://127.0.0.1:8081 --prefix kaufland
    python deploy/analytics/load.py --question latency
    python deploy/analytics/load.py --question ean_at_time --with ean=4006381333931 --with at=2026-05-04T10:00:00

It needs confluent-kafka, fastavro and duckdb, and nothing of the connector. Each run reads the topics from their
beginning to their end, read committed, and replaces what the file had. ``order-contacts`` is never read.
"""

import argparse
import json
import sys
import tempfile
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import duckdb
import fastavro
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Message, TopicPartition

HERE = Path(__file__).parent
DATASETS = (
    "offer_changes", "offer_results", "offers_not_found", "marketplace_calls", "offer_state", "routing", "replays",
    "shipments", "shipment_results", "orders", "order_changes", "returns", "sales_orders", "units", "drift",
)  # fmt: skip
DEAD_LETTERS = ("offer_changes", "shipments")
MOMENTS = ("at", "now")  # values of questions that are times, in UTC
MAGIC = 5  # bytes before the Avro body: a zero, and the schema's id

Raw = dict[str, Any]
"""A record: the columns kafka_*, and the decoded ``value``; None for a tombstone and for what cannot be read."""


def main(arguments: Sequence[str]) -> int:
    options = _options(arguments)
    with duckdb.connect(options.file) as database:
        if options.broker:
            source = TopicReader(options.broker, options.registry, dict(one.split("=", 1) for one in options.property))
            create(database)
            for dataset in DATASETS:
                rows = list(source.records(f"{options.prefix}.{dataset.replace('_', '-')}.v1"))
                fill(database, f"raw_{dataset}", rows)
                if rows:
                    print(f"{dataset:18} {len(rows):>9,} records")
            letters = [
                letter
                for dataset in DEAD_LETTERS
                for letter in source.letters(f"{options.prefix}.{dataset.replace('_', '-')}.v1.dlq")
            ]
            fill(database, "raw_dead_letters", letters)
        question = (HERE / "questions" / f"{options.question}.sql").read_text("utf-8")
        given = dict(one.split("=", 1) for one in options.given)
        moments = {name: datetime.fromisoformat(value) for name, value in given.items() if name in MOMENTS}
        database.sql(question, params={**given, **moments}).show(max_width=160, max_rows=100)
    return 0


def create(database: duckdb.DuckDBPyConnection) -> None:
    """Makes the tables and the flat views. What was there is dropped."""
    for (table,) in database.sql("SELECT table_name FROM duckdb_tables() WHERE table_name LIKE 'raw_%'").fetchall():
        database.execute(f'DROP TABLE "{table}"')
    database.execute((HERE / "duckdb.sql").read_text("utf-8"))


def fill(database: duckdb.DuckDBPyConnection, table: str, rows: Iterable[Raw]) -> None:
    """Appends records to a table of raw records, by way of a file of JSON: amounts and times stay exact."""
    columns = {name: kind for name, kind, *_ in database.sql(f'DESCRIBE "{table}"').fetchall()}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rows.json"
        with file.open("w", encoding="utf-8") as out:
            for row in rows:
                out.write(json.dumps(row, default=_plain))
                out.write("\n")
        if file.stat().st_size:
            database.execute(  # the names are the tables'
                f"INSERT INTO \"{table}\" SELECT {', '.join(columns)} FROM read_json(?, format = 'newline_delimited', "  # noqa: S608
                "maximum_object_size = 67108864, columns = ?)",
                [str(file), columns],
            )


def _plain(value: object) -> str:
    match value:
        case Decimal():
            return format(value, "f")
        case datetime():
            return value.astimezone(UTC).replace(tzinfo=None).isoformat(sep=" ")
        case bytes():
            return b64encode(value).decode()
        case _:
            raise TypeError(f"{type(value).__name__} in a record")


# ---- Kafka ----------------------------------------------------------------------------------------------------------


class TopicReader:
    """Reads whole topics, and decodes values with the schema that each was written with."""

    def __init__(self, broker: str, registry: str, properties: Mapping[str, str]) -> None:
        self._consumer = Consumer(
            {
                "bootstrap.servers": broker,
                "group.id": "analytics-load",  # never joined, nothing is committed
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "enable.partition.eof": False,
                **properties,
            }
        )
        self._registry = registry.rstrip("/")
        self._schemas: dict[int, Any] = {}

    def records(self, topic: str) -> Iterator[Raw]:
        for message in self._messages(topic):
            yield {**_place(message), "value": self._decode(message.value())}

    def letters(self, topic: str) -> Iterator[Raw]:
        for message in self._messages(topic):
            pairs = message.headers() or {}
            headers = {name: _text(value) for name, value in (pairs.items() if isinstance(pairs, dict) else pairs)}
            yield {**_place(message), "headers": headers}

    def _messages(self, topic: str) -> Iterator[Message]:
        known = self._consumer.list_topics(topic, timeout=30).topics[topic].partitions
        left: dict[int, int] = {}
        for partition in known:
            first, end = self._consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=30)
            if end > first:
                left[partition] = end
        if not left:
            return
        self._consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in left])
        while left:
            for message in self._consumer.consume(10_000, timeout=0.1):
                error = message.error()
                if error is not None:
                    raise KafkaException(error)
                yield message
            for where in self._consumer.position([TopicPartition(topic, partition) for partition in left]):
                if where.offset >= left[where.partition]:
                    del left[where.partition]
        self._consumer.unassign()

    def _decode(self, value: bytes | None) -> Any:
        if not value or value[0] or len(value) < MAGIC:
            return None
        try:
            schema = self._schema(int.from_bytes(value[1:MAGIC], "big"))
            return fastavro.schemaless_reader(BytesIO(value[MAGIC:]), schema, None)
        except (OSError, EOFError, ValueError, IndexError):  # what cannot be read is a dead letter of the connector's
            return None

    def _schema(self, number: int) -> Any:
        if number not in self._schemas:
            with urlopen(f"{self._registry}/schemas/ids/{number}") as answer:  # noqa: S310 - the registry's address
                self._schemas[number] = fastavro.parse_schema(json.loads(json.load(answer)["schema"]))
        return self._schemas[number]


def _place(message: Message) -> Raw:
    time = datetime.fromtimestamp(message.timestamp()[1] / 1_000, UTC)
    return {
        "kafka_topic": message.topic(),
        "kafka_partition": message.partition(),
        "kafka_offset": message.offset(),
        "kafka_timestamp": time,
        "kafka_key": _text(message.key()),
    }


def _text(key: bytes | str | None) -> str | None:
    """Returns a key of plain UTF-8; with ``key_format = "avro"``, the string behind its header."""
    if key is None or isinstance(key, str):
        return key
    if key[:1] == b"\0" and len(key) > MAGIC:
        return str(fastavro.schemaless_reader(BytesIO(key[MAGIC:]), "string", None))
    return key.decode(errors="replace")


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    questions = sorted(file.stem for file in (HERE / "questions").glob("*.sql"))
    parser = argparse.ArgumentParser(description="Load the connector's topics into DuckDB and draw a first chart.")
    parser.add_argument("--broker", help="bootstrap servers; without it, the file is only read")
    parser.add_argument("--registry", default="http://127.0.0.1:8081", help="address of the schema registry")
    parser.add_argument("--prefix", default="kaufland", help="what the topics' names begin with")
    parser.add_argument("--property", action="append", default=[], metavar="NAME=VALUE", help="of librdkafka")
    parser.add_argument("--file", default="topics.duckdb", help="the DuckDB file")
    parser.add_argument(
        "--question", default="first_chart", choices=questions, metavar="NAME", help=", ".join(questions)
    )
    parser.add_argument(
        "--with",
        dest="given",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="value that the question asks for",
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
