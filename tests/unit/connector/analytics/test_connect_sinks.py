"""The examples of Connect sinks: converters, isolation, and the topics and tables of the flat views."""

import json
from pathlib import Path

import pytest

from connector.analytics.flat_views import flattened
from connector.contracts.topics import ALL_FEATURES, named
from deploy.analytics import load

SINKS = sorted((Path(load.__file__).parent / "connect").glob("*.json"))
TABLES = {"clickhouse": ("topic2TableMap", "="), "snowflake": ("snowflake.topic2table.map", ":")}


@pytest.mark.parametrize("file", SINKS, ids=lambda file: file.stem)
def test_a_sink_reads_committed_records_with_the_right_converters_into_the_tables_of_the_views(file: Path) -> None:
    config = json.loads(file.read_text("utf-8"))["config"]
    names = named("kaufland", ALL_FEATURES)
    wanted = {getattr(names, view.dataset): view.raw for view in flattened()}

    assert config["key.converter"] == "org.apache.kafka.connect.storage.StringConverter"
    assert config["value.converter"] == "io.confluent.connect.avro.AvroConverter"
    assert config["consumer.override.isolation.level"] == "read_committed"
    assert config["topics"].split(",") == list(wanted)
    setting, sign = TABLES[file.stem]
    assert dict(pair.split(sign) for pair in config[setting].split(",")) == wanted
    assert names.order_contacts not in config["topics"]


def test_every_sink_is_known_here() -> None:
    assert [file.stem for file in SINKS] == sorted(TABLES)


def test_no_secret_is_in_a_file() -> None:
    for file in SINKS:
        config = json.loads(file.read_text("utf-8"))["config"]
        secrets = [value for name, value in config.items() if name.endswith(("password", "private.key"))]
        assert [value.startswith("${file:") for value in secrets] == [True], file.name
