"""The examples of Connect sinks: converters, isolation, and the topics and tables of the flat views."""

import json
from pathlib import Path

import pytest

import schemas
from connector.analytics.flat_views import ColumnType, Shape, Struct, flattened, shape_of
from connector.contracts.topics import ALL_FEATURES, named
from deploy.analytics import load

FOLDER = Path(load.__file__).parent / "connect"
TABLES = {"clickhouse": ("topic2TableMap", "="), "snowflake": ("snowflake.topic2table.map", ":")}
FLAT = "postgresql"
SINKS = [FOLDER / f"{name}.json" for name in (*TABLES, FLAT)]
NAMES = named("kaufland", ALL_FEATURES)


@pytest.mark.parametrize("file", SINKS, ids=lambda file: file.stem)
def test_a_sink_reads_committed_records_with_the_right_converters(file: Path) -> None:
    config = json.loads(file.read_text("utf-8"))["config"]

    assert config["key.converter"] == "org.apache.kafka.connect.storage.StringConverter"
    assert config["value.converter"] == "io.confluent.connect.avro.AvroConverter"
    assert config["consumer.override.isolation.level"] == "read_committed"
    assert NAMES.order_contacts not in config["topics"]


@pytest.mark.parametrize("name", TABLES)
def test_a_sink_of_all_topics_fills_the_tables_of_the_views(name: str) -> None:
    config = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))["config"]
    wanted = {getattr(NAMES, view.dataset): view.raw for view in flattened()}

    assert config["topics"].split(",") == list(wanted)
    setting, sign = TABLES[name]
    assert dict(pair.split(sign) for pair in config[setting].split(",")) == wanted


def test_the_sink_of_the_flat_topic_has_its_key_and_converts_each_of_its_times() -> None:
    config = json.loads((FOLDER / f"{FLAT}.json").read_text("utf-8"))["config"]
    columns = flat_columns()

    assert config["topics"] == NAMES.offer_field_results
    assert set(config["pk.fields"].split(",")) <= columns.keys()
    times = [name for name, kind in columns.items() if kind is ColumnType.TIME]
    assert config["transforms"].split(",") == times
    for name in times:
        assert config[f"transforms.{name}.field"] == name
        assert config[f"transforms.{name}.unix.precision"] == "microseconds"


def test_the_flat_topic_has_no_nested_record_list_or_map() -> None:
    assert {type(kind) for kind in flat_columns().values()} == {ColumnType}


def flat_columns() -> dict[str, Shape]:
    """Returns the fields of the flat topic with their shapes."""
    shape = shape_of(schemas.load("offer_field_result", schemas.newest("offer_field_result")))
    assert isinstance(shape, Struct)
    return dict(shape.fields)


def test_every_sink_is_known_here() -> None:
    assert sorted(file.stem for file in FOLDER.glob("*.json")) == sorted(file.stem for file in SINKS)


def test_no_secret_is_in_a_file() -> None:
    for file in SINKS:
        config = json.loads(file.read_text("utf-8"))["config"]
        secrets = [value for name, value in config.items() if name.endswith(("password", "private.key"))]
        assert [value.startswith("${file:") for value in secrets] == [True], file.name
