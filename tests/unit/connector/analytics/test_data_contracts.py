"""The data contracts: what is committed is current, valid by the official schemas, and agrees with the topic table."""

import gzip
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import schemas
from connector.analytics.asyncapi import HEADERS, asyncapi
from connector.analytics.odcs import contracts
from connector.analytics.terms import CHECKS, KEYS, PERSONAL, TIME_OF, ContractTerms, terms_of
from connector.analytics.yaml_text import yaml_text
from connector.cli.main import cli
from connector.contracts.headers import Stamp, Trace
from connector.contracts.topics import ALL_FEATURES, Access, manifest, named
from connector.offers.events import OfferResult
from connector.operations.contracts import ContractFormat, files
from connector.settings import convert
from tests.harness.effort import examples
from tests.unit.connector.analytics.conftest import add, rows_of

ROOT = Path(__file__).parents[4]
COMMITTED = ROOT / "deploy" / "contracts"
OFFICIAL = ROOT / "tests" / "data" / "contract_schemas"
TERMS = convert.contract_terms(None)
OWNED = replace(TERMS, owner="offers team")


def validator(name: str) -> Any:
    return jsonschema_rs.validator_for(json.loads(gzip.decompress((OFFICIAL / f"{name}.json.gz").read_bytes())))


@pytest.mark.parametrize("form", [ContractFormat.ASYNCAPI, ContractFormat.ODCS])
def test_the_committed_contracts_are_current(form: ContractFormat) -> None:
    made = files(form, TERMS)

    there = {name: (COMMITTED / name).read_text("utf-8") for name in made if (COMMITTED / name).exists()}
    assert there == made, "run: connector contracts export --out deploy/contracts"


def test_no_contract_is_left_of_a_topic_that_is_gone() -> None:
    made = {name for form in (ContractFormat.ASYNCAPI, ContractFormat.ODCS) for name in files(form, TERMS)}

    assert {str(path.relative_to(COMMITTED)) for path in COMMITTED.rglob("*.yaml")} == made


def test_the_document_is_valid_asyncapi() -> None:
    found = yaml.safe_load(yaml_text(asyncapi(OWNED)))

    assert [str(error) for error in validator("asyncapi-3.0.0").iter_errors(found)] == []


@pytest.mark.parametrize("terms", [TERMS, OWNED], ids=["no owner", "owner"])
def test_every_contract_is_valid_odcs(terms: ContractTerms) -> None:
    check = validator("odcs-3.2.0")

    for dataset, contract in contracts(terms).items():
        found = yaml.safe_load(yaml_text(contract))
        assert [str(error) for error in check.iter_errors(found)] == [], dataset


def test_the_official_schemas_refuse_what_is_wrong() -> None:
    document = asyncapi(TERMS)
    document["channels"]["orders"]["bindings"]["kafka"]["topicConfiguration"]["cleanup.policy"] = "compact"
    contract = contracts(TERMS)["orders"]
    contract["schema"][0]["properties"][0]["logicalType"] = "long"

    assert not validator("asyncapi-3.0.0").is_valid(document)
    assert not validator("odcs-3.2.0").is_valid(contract)


def test_every_topic_is_a_channel_and_every_output_has_a_contract() -> None:
    topics = manifest(named("kaufland", ALL_FEATURES))
    document = asyncapi(TERMS)

    assert {channel["address"] for channel in document["channels"].values()} == {topic.name for topic in topics}
    assert {contract["name"] for contract in contracts(TERMS).values()} == {
        topic.name for topic in topics if topic.access is not Access.READ
    }
    actions = {(one["action"], one["channel"]["$ref"].rpartition("/")[2]) for one in document["operations"].values()}
    assert {("receive", "offer_changes"), ("send", "offer_results"), ("send", "units"), ("receive", "units")} <= actions
    assert not {("send", "offer_changes"), ("receive", "offer_results")} & actions


def test_retention_and_clean_up_are_those_of_the_topic_table() -> None:
    channels = asyncapi(TERMS)["channels"]

    results = channels["offer_results"]["bindings"]["kafka"]["topicConfiguration"]
    assert results == {"cleanup.policy": ["delete"], "retention.ms": 90 * 24 * 3600 * 1000}
    assert channels["orders"]["bindings"]["kafka"]["topicConfiguration"] == {"cleanup.policy": ["compact"]}
    levels = {one["property"]: one for one in contracts(TERMS)["offers_not_found"]["slaProperties"]}
    assert (levels["retention"]["value"], levels["retention"]["unit"]) == (90, "d")
    assert levels["latency"]["element"] == "offers_not_found.last_seen_at"
    assert contracts(TERMS)["orders"]["slaProperties"][0]["value"] == "unlimited"


def test_only_a_compacted_topic_is_described_as_one() -> None:
    described = {dataset: one["schema"][0]["description"] for dataset, one in contracts(TERMS).items()}

    assert "compacted" in described["orders"]
    assert "compacted" not in described["order_changes"]


def test_freshness_and_owner_are_settings() -> None:
    terms = replace(OWNED, ordered_s=300.0)

    made = contracts(terms)

    assert made["orders"]["slaProperties"][1]["value"] == 300.0
    assert {contract["team"]["name"] for contract in made.values()} == {"offers team"}
    assert asyncapi(terms)["info"]["contact"] == {"name": "offers team"}


def fields_of(record: str) -> set[str]:
    return {field["name"] for field in schemas.load(record, schemas.newest(record))["fields"]}


def test_keys_times_and_personal_data_name_fields_of_the_records() -> None:
    records = {topic.dataset: topic.record for topic in terms_of(TERMS)}
    named_fields = [
        *KEYS.items(),
        *((dataset, (field,)) for dataset, field in TIME_OF.items()),
        *((dataset, tuple(fields)) for dataset, fields in PERSONAL.items()),
    ]

    for dataset, fields in named_fields:
        record = records[dataset]
        assert record is not None
        assert set(fields) <= fields_of(record), dataset


def classified(properties: Any) -> Iterator[str]:
    for one in properties:
        if one.get("classification") == "personal":
            yield one["name"]


def test_personal_data_is_tagged_and_in_one_topic_only() -> None:
    made = contracts(TERMS)

    tagged = {
        dataset: set(classified(contract["schema"][0].get("properties", ()))) for dataset, contract in made.items()
    }
    assert {dataset: names for dataset, names in tagged.items() if names} == {
        "order_contacts": {"buyer", "billing_address", "shipping_address"}
    }
    assert [dataset for dataset, contract in made.items() if "personal-data" in contract.get("tags", ())] == [
        "order_contacts"
    ]
    channels = asyncapi(TERMS)["channels"]
    assert [name for name, channel in channels.items() if "tags" in channel] == ["order_contacts"]


def test_the_document_lists_every_header_of_an_output() -> None:
    stamp = Stamp(
        source="/shop", instance_id="one", config_digest="0", dataschemas={"OfferResult": b"http://r/schemas/ids/1"}
    )
    trace = Trace(traceparent="00")

    headers = stamp.of_decision(OfferResult, result_id="1", decided_at_us=1, subject="2", trace=trace)

    assert {name for name, _ in headers} == HEADERS.keys()


def test_the_checks_hold_for_a_recorded_run_and_fail_where_something_is_lost(loaded: Any, empty: Any) -> None:
    queries = [query for checks in CHECKS.values() for _, _, query in checks]
    add(empty, "offer_changes", [{"event_id": "1"}])
    add(empty, "orders", [{"order_id": "1", "units": []}])

    assert [rows_of(loaded, f"SELECT ({query}) AS n")[0]["n"] for query in queries] == [0] * len(queries)
    assert [rows_of(empty, f"SELECT ({query}) AS n")[0]["n"] for query in queries] == [1, 0, 0, 1, 0]


def test_a_configuration_gives_its_topics_and_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example = (ROOT / "config" / "example.toml").read_text("utf-8")
    config = tmp_path / "config.toml"
    keys = tmp_path / "simulator-keys"
    keys.mkdir()
    for name in ("client_key", "secret_key"):
        (keys / name).write_text("0" * 64, "utf-8")
    config.write_text(f'{example}\n[contracts]\nowner = "offers team"\n', "utf-8")

    done = CliRunner().invoke(cli, ["contracts", "export", "--config", str(config), "--out", str(tmp_path / "out")])

    assert done.exit_code == 0, done.output
    document = yaml.safe_load((tmp_path / "out" / "asyncapi.yaml").read_text("utf-8"))
    assert document["info"]["contact"]["name"] == "offers team"
    assert "units" not in document["channels"], "reconciliation is off in the example"
    contract = yaml.safe_load((tmp_path / "out" / "odcs" / "orders.odcs.yaml").read_text("utf-8"))
    assert contract["team"]["name"] == "offers team"


TEXT = st.text(max_size=12)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT.filter(bool), inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(TEXT.filter(bool), VALUES, min_size=1, max_size=3))
@settings(max_examples=examples(200))
def test_any_plain_value_comes_back_from_its_yaml(value: dict[str, Any]) -> None:
    assert yaml.safe_load(yaml_text(value)) == value
