"""``connector dlq`` over an embedded broker and registry: what it prints, its exit codes, and what it writes.

The blocks of docs/operations.md are compared with what the commands print.
"""

import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import schemas
from connector.cli.main import cli
from connector.contracts.codec import KeyFault
from connector.contracts.codes import Code
from connector.contracts.topics import ALL_FEATURES, Topics, named
from connector.offers.producer_kit import ProducerKit
from connector.orders.dead_letters import Quarantined, headers
from devstack.embedded_broker import CLIENT_PROPERTIES, EmbeddedBroker
from devstack.embedded_registry import EmbeddedRegistry
from streams.avro.codec import DecodeErrorCode
from streams.dead_letter import DeadLetters
from streams.flow import Assignment, BadRecord, Headers, Record
from streams.kafka.produce_once import RecordWriter
from streams.kafka.registry import RegistryClient
from streams.kafka.settings import KafkaConnection
from streams.kafka.topic_reader import TopicRecord, read_records
from streams.records import NewRecord
from tests.harness.dead_letter_codes import record_codes, report_codes
from tests.harness.pages import ROOT
from tests.harness.shown_commands import output_of

EAN = "4006381333931"
OTHER_EAN = "4006381333948"
MINUTE_US = 60_000_000
PARTITIONS = 8
TOPICS: Topics = named("kaufland", ALL_FEATURES)
OFFERS_DLQ = TOPICS.offer_changes_dlq
LATER_SCHEMA = {
    **schemas.load("offer_changed", schemas.newest("offer_changed")),
    "doc": "of a producer that registered it too late",
}


class Dlq:
    """Dead-letter topics on an embedded broker, and the command line that reads them."""

    def __init__(self, broker: EmbeddedBroker, registry_url: str) -> None:
        self.registry_url = registry_url
        self.now_us = time.time_ns() // 1_000
        self.connection = KafkaConnection(
            bootstrap_servers=broker.bootstrap_servers, client_id="test", properties=CLIENT_PROPERTIES
        )
        self.environ = {
            "CONNECTOR__KAFKA__BOOTSTRAP_SERVERS": broker.bootstrap_servers,
            "CONNECTOR__KAFKA__TOPIC_IDS": "false",
            "CONNECTOR__REGISTRY__URL": registry_url,
        }
        self._letters = DeadLetters(topics=TOPICS.dead_letters, instance="connector-0", connector="kaufland-connector")

    def run(self, *arguments: str) -> Result:
        arguments = (*arguments, "--config", str(ROOT / "config" / "example.toml"))
        return CliRunner().invoke(cli, arguments, env=self.environ)

    def said(self, *arguments: str, code: int = 0) -> str:
        """Returns what a command prints that ends with this exit code."""
        done = self.run(*arguments)
        assert done.exit_code == code, done.output + repr(done.exception)
        return done.stdout

    def json(self, *arguments: str, code: int = 0) -> Any:
        return json.loads(self.said(*arguments, "--json", code=code))

    def refused(self, *arguments: str) -> str:
        """Returns the message of the error that ends a command."""
        done = self.run(*arguments)
        assert done.exception is not None, done.output
        assert not isinstance(done.exception, SystemExit), done.output
        return f"{type(done.exception).__name__}: {done.exception}"

    def register(self, schema: dict[str, Any], topic: str = TOPICS.offer_changes) -> int:
        """Returns the id of a schema for the topic's values."""
        with RegistryClient(self.registry_url) as client:
            return client.register(f"{topic}-value", json.dumps(schema))

    def put(self, *letters: NewRecord) -> None:
        with RecordWriter(self.connection) as writer:
            writer.write(letters, timeout_s=30)

    def letter(
        self,
        bad: BadRecord,
        *,
        key: bytes | None = EAN.encode(),
        value: bytes | None = b"{}",
        topic: str = TOPICS.offer_changes,
        offset: int = 104_233,
        minutes_ago: int = 5,
        said: Headers = (),
    ) -> NewRecord:
        """Returns the dead letter of a record, as the connector makes it, to be put into the first partition."""
        dead_lettered_us = self.now_us - minutes_ago * MINUTE_US - 20_000_000
        record = Record(
            at=Assignment(topic=topic, partition=3, epoch=0),
            offset=offset,
            key=key,
            value=value,
            time_us=dead_lettered_us - 5_000_000,
            headers=said,
        )
        made = self._letters.letter(record, bad)
        return NewRecord(
            topic=made.topic,
            partition=0,
            key=made.key,
            value=made.value,
            headers=made.headers,
            time_us=dead_lettered_us,
        )

    def records(self, topic: str) -> list[TopicRecord]:
        return list(read_records(self.connection, topic, reader="test"))


@pytest.fixture(scope="module")
def registry_url() -> Iterator[str]:
    """A registry with this version's schemas."""
    with EmbeddedRegistry() as registry, EmbeddedBroker() as broker:
        Dlq(broker, registry.url).said("schemas", "register")
        yield registry.url


@pytest.fixture
def dlq(registry_url: str) -> Iterator[Dlq]:
    """The input topics and their dead letters, all empty."""
    with EmbeddedBroker() as broker:
        for source, letters in TOPICS.dead_letters.items():
            broker.create_topic(source, 1 if source == TOPICS.scheduler else PARTITIONS)
            broker.create_topic(letters, 2)
        yield Dlq(broker, registry_url)


def unknown(schema_id: int) -> BadRecord:
    return BadRecord(code="SCHEMA_UNKNOWN", text=f"the registry does not know schema {schema_id}")


NOT_AVRO = BadRecord(code="NOT_AVRO", text="15 bytes that do not start with a zero byte and a schema id")


def value_of(schema_id: int, event_id: str, ean: str = EAN) -> bytes:
    change = {
        "event_id": event_id,
        "occurred_at_us": 1_769_839_200_000_000,
        "source": "erp",
        "ean": ean,
        "target_id": "shop-de",
        "price": "19.99 EUR",
        "stock": 5,
    }
    return ProducerKit(schema_id).message(change)[1]


def fill(dlq: Dlq) -> None:
    """Puts dead letters of four kinds there; two of them can be read meanwhile."""
    schema_id = dlq.register(LATER_SCHEMA)
    trace: Headers = (("ce_id", b"6f1c-1"),)
    row = Quarantined(
        code=Code.ORDER_UNREADABLE,
        account="demo",
        where="order-units/314567891234567",
        sha256="9f" * 32,
        fault="price: not a number",
        order_id="MK7ABC1",
    )
    dlq.put(
        dlq.letter(unknown(schema_id), value=value_of(schema_id, "6f1c-1"), minutes_ago=125, said=trace),
        dlq.letter(
            unknown(schema_id),
            key=OTHER_EAN.encode(),
            value=value_of(schema_id, "6f1c-2", OTHER_EAN),
            offset=104_237,
            minutes_ago=124,
        ),
        dlq.letter(NOT_AVRO, value=b'{"price": 5.00}', offset=104_502, minutes_ago=12),
        NewRecord(
            topic=TOPICS.scheduler_dlq,
            partition=0,
            key=row.key.encode(),
            value=None,
            headers=headers(row, TOPICS.scheduler, "connector-0"),
            time_us=dlq.now_us - 30 * MINUTE_US - 20_000_000,
        ),
    )


# ---- the documented output ------------------------------------------------------------------------------------------


def normalised(text: str) -> list[str]:
    """Returns the lines without trailing blanks, with times and schema ids replaced by placeholders."""
    for pattern, instead in ((r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "TIME"), (r"\bschema \d+", "schema ID")):
        text = re.sub(pattern, instead, text)
    return [line.rstrip() for line in text.splitlines() if line.strip()]


SHOWN_IN_THE_DOCS = (
    "dlq list",
    "dlq show kaufland.offer-changes.v1.dlq/0/0",
    "dlq show kaufland.offer-changes.v1.dlq/0/2",
    "dlq redrive --code SCHEMA_UNKNOWN --since 3h --dry-run",
    "dlq redrive --code SCHEMA_UNKNOWN --since 3h",
)


def test_the_chapter_about_dead_letters_shows_what_the_commands_print(dlq: Dlq) -> None:
    fill(dlq)

    for command in SHOWN_IN_THE_DOCS:
        assert normalised(dlq.said(*command.split())) == normalised(output_of(command)), command


# ---- list -----------------------------------------------------------------------------------------------------------


SCHEMA_UNKNOWN = ["offer-changes.v1.dlq/0/1", "offer-changes.v1.dlq/0/0"]
"""The places of the letters with this code, the newest first."""


NEWER = ["offer-changes.v1.dlq/0/2", "scheduler.v1.dlq/0/0"]
"""Those of the others."""


def shown(listed: Any) -> list[str]:
    return [letter["dead_letter"].removeprefix("kaufland.") for letter in listed["newest"]]


def test_no_dead_letters_are_said_and_are_no_failure(dlq: Dlq) -> None:
    assert dlq.said("dlq", "list").strip() == "No dead letters."
    assert dlq.json("dlq", "list") == {"letters": 0, "counts": [], "newest": []}


SELECTIONS: Mapping[tuple[str, ...], Sequence[str]] = {
    (): [*NEWER, *SCHEMA_UNKNOWN],
    ("--code", "NOT_AVRO"): NEWER[:1],
    ("--code", "NOT_AVRO", "--code", "ORDER_UNREADABLE"): NEWER,
    ("--topic", "kaufland.scheduler.v1"): NEWER[1:],
    ("--since", "1h"): NEWER,
    ("--until", "1h"): SCHEMA_UNKNOWN,
    ("--since", "1h", "--until", "20m"): NEWER[1:],
    ("--code", "NOT_AVRO", "--until", "1h"): [],
}


def test_options_select_by_code_topic_and_age(dlq: Dlq) -> None:
    fill(dlq)

    for options, places in SELECTIONS.items():
        listed = dlq.json("dlq", "list", *options)
        assert shown(listed) == places, options
        assert listed["letters"] == len(places) == sum(count["letters"] for count in listed["counts"])


def test_a_limit_shows_the_newest_and_counts_all(dlq: Dlq) -> None:
    fill(dlq)

    assert (dlq.json("dlq", "list", "--limit", "1")["letters"], shown(dlq.json("dlq", "list", "--limit", "1"))) == (
        4,
        ["offer-changes.v1.dlq/0/2"],
    )
    assert dlq.said("dlq", "list", "--limit", "2").rstrip().endswith("4 dead letters; the newest 2 are shown.")


def test_what_somebody_else_has_written_there_is_listed_and_cannot_break_the_table(dlq: Dlq) -> None:
    said_by_it = (("__connect.errors.topic", b"\x1b[2Jmine"), ("code", b"\x1b[2J[red]"), ("instance", b"\x1b[2J"))
    strange = NewRecord(topic=OFFERS_DLQ, partition=1, key=b"[red]\x1b[2J", value=b"\x1b", headers=said_by_it)
    dlq.put(strange, dlq.letter(NOT_AVRO, key=None), dlq.letter(NOT_AVRO, key=b"[bold]x"))

    said = dlq.said("dlq", "list")

    assert "\x1b" not in said + dlq.said("dlq", "show", f"{OFFERS_DLQ}/1/0")
    assert "\\x1b[2J[red]" in said
    assert "0x5b7265645d1b5b324a" in said
    assert "(none)" in said
    assert "[bold]x" in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["list", "--code", "NOT_ARVO"], "--code NOT_ARVO: there is no such code; did you mean NOT_AVRO?"),
        (
            ["list", "--topic", "kaufland.orders.v1"],
            "not an input topic of this configuration; those are:",
        ),
        (["list", "--since", "yesterday"], "--since yesterday: expected how long ago, such as 30m"),
        (["show", "0/17"], "'0/17' is not the place of a dead letter. Expected TOPIC/PARTITION/OFFSET"),
        (["show", "kaufland.orders.v1/0/17"], "with one of the topics kaufland.offer-changes.v1.dlq, kaufland.ship"),
        (["redrive"], "select what to redrive"),
        (["redrive", "--all", "--code", "NOT_AVRO"], "select what to redrive"),
        (["redrive", "kaufland.offer-changes.v1.dlq/0/0", "--since", "1h"], "select what to redrive"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_what_is_expected(arguments: list[str], message: str) -> None:
    with EmbeddedBroker() as broker:
        said = Dlq(broker, "http://127.0.0.1:9").refused("dlq", *arguments)

    assert said.startswith("SettingsError: "), "exit code 2"
    assert message in said


def test_a_place_without_a_dead_letter_is_said(dlq: Dlq) -> None:
    fill(dlq)

    assert dlq.refused("dlq", "show", f"{OFFERS_DLQ}/0/99").startswith("Stopped: there is no dead letter at ")


# ---- show -----------------------------------------------------------------------------------------------------------


def test_a_letter_is_shown_with_everything_that_it_says(dlq: Dlq) -> None:
    schema_id = dlq.register(LATER_SCHEMA)
    value = value_of(schema_id, "e-1")
    dlq.put(dlq.letter(unknown(schema_id), value=value, said=(("ce_id", b"e-1"), ("raw", b"\xff"))))

    letter = dlq.json("dlq", "show", f"{OFFERS_DLQ}/0/0")

    assert (letter["code"], letter["input"], letter["key"]) == (
        "SCHEMA_UNKNOWN",
        "kaufland.offer-changes.v1/3/104233",
        EAN,
    )
    assert letter["headers"] == [["ce_id", "e-1"], ["raw", "0xff"]]
    assert letter["value"]["hex"] == value.hex()
    assert (letter["value"]["schema_id"], letter["value"]["decoded"]["event_id"]) == (schema_id, "e-1")
    assert letter["now"] == {"readable": True, "code": "", "reason": ""}


def test_a_value_of_another_schema_is_decoded_with_its_own_and_still_cannot_be_read(dlq: Dlq) -> None:
    schema = {"type": "record", "name": "Other", "fields": [{"name": "weight", "type": "double"}]}
    schema_id = dlq.register(schema, "others")
    bad = BadRecord(code="SCHEMA_INCOMPATIBLE", text="does not resolve")
    dlq.put(dlq.letter(bad, value=b"\x00" + schema_id.to_bytes(4, "big") + b"\x00" * 6 + b"\xf0\x3f"))

    letter = dlq.json("dlq", "show", f"{OFFERS_DLQ}/0/0")

    assert (letter["value"]["schema"], letter["value"]["decoded"]) == ("Other", {"weight": 1.0})
    assert (letter["now"]["readable"], letter["now"]["code"]) == (False, "SCHEMA_INCOMPATIBLE")


def test_without_a_registry_the_bytes_are_shown(dlq: Dlq) -> None:
    dlq.put(dlq.letter(unknown(7), value=value_of(7, "e-1")))
    dlq.environ["CONNECTOR__REGISTRY__URL"] = "http://127.0.0.1:9"

    said = dlq.said("dlq", "show", f"{OFFERS_DLQ}/0/0")

    assert "not known whether the record can be read: the schema registry does not answer at 127.0.0.1:9" in said
    assert "000000  00 00 00 00 07" in said


def test_an_unpolled_account_is_judged_by_the_configuration(dlq: Dlq) -> None:
    schema_id = dlq.register(schemas.load("scheduler_command", 1), TOPICS.scheduler)
    bad = BadRecord(code="ACCOUNT_NOT_POLLED", text="")
    command = b"\x00" + schema_id.to_bytes(4, "big") + b"\x02\x00\x02x\x00"
    dlq.put(*(dlq.letter(bad, key=key, value=command, topic=TOPICS.scheduler) for key in (b"demo", b"other")))

    now = [dlq.json("dlq", "show", f"{TOPICS.scheduler_dlq}/0/{offset}")["now"] for offset in (0, 1)]

    assert [(one["readable"], one["code"]) for one in now] == [(True, ""), (False, "ACCOUNT_NOT_POLLED")]


# ---- redrive --------------------------------------------------------------------------------------------------------


def test_a_redriven_record_is_the_original_and_the_dead_letters_stay(dlq: Dlq) -> None:
    fill(dlq)
    before = dlq.records(OFFERS_DLQ)

    report = dlq.json("dlq", "redrive", f"{OFFERS_DLQ}/0/0")

    assert (report["redriven"], report["left_out"]) == (1, 0)
    [record] = dlq.records(TOPICS.offer_changes)
    assert record.partition == 3 == report["letters"][0]["to_partition"], "that of the input record"
    assert (record.key, record.value) == (EAN.encode(), before[0].value)
    assert record.headers == (
        ("ce_id", b"6f1c-1"),
        ("redrive.from", f"{OFFERS_DLQ}/0/0".encode()),
        ("redrive.attempts", b"1"),
    )
    assert record.time_us == before[0].time_us - 5_000_000, "its own timestamp, not that of the dead letter"
    assert dlq.records(OFFERS_DLQ) == before


def test_a_dry_run_writes_nothing_and_says_what_can_be_read(dlq: Dlq) -> None:
    fill(dlq)

    report = dlq.json("dlq", "redrive", "--all", "--dry-run")

    assert (report["dry_run"], report["redriven"], report["readable_now"], report["still_unreadable"]) == (
        True,
        3,
        2,
        1,
    )
    assert dlq.records(TOPICS.offer_changes) == []


def test_all_are_redriven_but_rows_of_the_marketplace(dlq: Dlq) -> None:
    fill(dlq)

    report = dlq.json("dlq", "redrive", "--all")

    assert report["redriven_by_input_topic"] == {TOPICS.offer_changes: 3}
    assert report["left_out_by_reason"] == {"READ_AGAIN": 1}
    assert len(dlq.records(TOPICS.offer_changes)) == 3
    assert dlq.records(TOPICS.scheduler) == []


@pytest.mark.parametrize("code", sorted(record_codes()))
def test_a_record_of_every_code_is_listed_shown_and_redriven_as_it_was_twice(dlq: Dlq, code: str) -> None:
    key = None if code == "KEY_MISSING" else b"\xff" if code == "KEY_MALFORMED" else EAN.encode()
    value = None if code == "VALUE_MISSING" else b"{}"
    trace: Headers = (("ce_id", b"6f1c-1"),)
    dlq.put(dlq.letter(BadRecord(code=code, text="a reason"), key=key, value=value, said=trace))

    [listed] = dlq.json("dlq", "list", "--code", code)["newest"]
    shown = dlq.json("dlq", "show", listed["dead_letter"])
    assert (shown["code"], shown["headers"]) == (code, [["ce_id", "6f1c-1"]])
    for redriven in (1, 2):
        assert dlq.json("dlq", "redrive", listed["dead_letter"])["redriven"] == 1
        records = dlq.records(TOPICS.offer_changes)
        assert [(one.key, one.value, one.headers[:1]) for one in records] == [(key, value, trace)] * redriven


@pytest.mark.parametrize("code", sorted(report_codes()))
def test_a_report_of_every_code_is_listed_and_shown_and_never_redriven(dlq: Dlq, code: str) -> None:
    row = Quarantined(code=Code(code), account="demo", where="returns/7", sha256="9f" * 32, fault="no number")
    dlq.put(
        NewRecord(
            topic=TOPICS.scheduler_dlq,
            partition=0,
            key=row.key.encode(),
            value=None,
            headers=headers(row, TOPICS.scheduler, "connector-0"),
            time_us=dlq.now_us,
        )
    )

    [listed] = dlq.json("dlq", "list", "--code", code)["newest"]
    shown = dlq.json("dlq", "show", listed["dead_letter"])
    assert (shown["code"], shown["input"], shown["value"]) == (code, None, None)
    assert dlq.json("dlq", "redrive", "--all")["left_out_by_reason"] == {"READ_AGAIN": 1}
    assert dlq.records(TOPICS.scheduler) == []


def test_every_code_of_a_dead_letter_is_explained() -> None:
    assert record_codes() | report_codes() <= set(Code.__members__)
    assert {*DecodeErrorCode, *KeyFault} <= record_codes()
    assert {"ORDER_GONE", "RETURN_UNREADABLE"} <= report_codes()


def test_no_selected_letter_is_a_success_without_a_record(dlq: Dlq) -> None:
    fill(dlq)

    assert dlq.json("dlq", "redrive", "--code", "KEY_MISSING")["redriven"] == 0
    assert dlq.said("dlq", "redrive", "--code", "KEY_MISSING").strip() == "0 dead letters were redriven."


def test_what_has_no_record_is_a_failure_that_scripts_see(dlq: Dlq) -> None:
    small = DeadLetters(topics=TOPICS.dead_letters, instance="connector-0", max_bytes=700)
    record = Record(
        at=Assignment(topic=TOPICS.offer_changes, partition=0, epoch=0),
        offset=3,
        key=b"k",
        value=b"x" * 700,
        time_us=0,
    )
    made = small.letter(record, NOT_AVRO)
    dlq.put(NewRecord(topic=OFFERS_DLQ, partition=0, key=made.key, value=made.value, headers=made.headers))

    said = dlq.said("dlq", "redrive", "--all", code=1)

    assert "1 dead letter left out (NO_RECORD): the record was too large to be kept" in said
    assert dlq.json("dlq", "redrive", f"{OFFERS_DLQ}/0/0", code=1)["left_out_by_reason"] == {"NO_RECORD": 1}


def test_a_letter_that_came_back_is_named_and_only_the_last_one_is_redriven_by_options(dlq: Dlq) -> None:
    """The connector's part, reading the redriven record and making a dead letter of it again, is done by hand."""
    dlq.put(dlq.letter(NOT_AVRO, said=(("ce_id", b"e-1"),)))
    for attempt in (1, 2, 3):
        assert dlq.json("dlq", "redrive", "--code", "NOT_AVRO")["redriven"] == 1
        redriven = dlq.records(TOPICS.offer_changes)[-1]
        assert dict(redriven.headers)["redrive.attempts"] == str(attempt).encode()
        dlq.put(dlq.letter(NOT_AVRO, said=redriven.headers, minutes_ago=4 - attempt))

    newest = dlq.json("dlq", "list")["newest"]

    places = [f"{OFFERS_DLQ}/0/{offset}" for offset in (3, 2, 1, 0)]
    assert [(one["dead_letter"], one["attempts"]) for one in newest] == list(zip(places, (4, 3, 2, 1), strict=True))
    assert [one["came_back_as"] for one in newest] == [None, *places[:3]]
    assert len(dlq.records(TOPICS.offer_changes)) == 3, "one for each redrive"
    assert dlq.json("dlq", "redrive", places[-1])["redriven"] == 1, "one that is named is redriven all the same"


def test_many_are_redriven_in_their_order(dlq: Dlq) -> None:
    dlq.put(*(dlq.letter(NOT_AVRO, value=str(number).encode(), offset=number) for number in range(1_100)))

    assert len(dlq.json("dlq", "redrive", "--all")["letters"]) == 1_100

    assert [record.value for record in dlq.records(TOPICS.offer_changes)] == [str(n).encode() for n in range(1_100)]


def test_a_table_names_the_first_of_many_and_counts_the_others(dlq: Dlq) -> None:
    dlq.put(*(dlq.letter(NOT_AVRO, offset=number) for number in range(25)))

    said = dlq.said("dlq", "redrive", "--all", "--dry-run")

    assert "... and 5 more.\n25 dead letters would be redriven" in said
    assert f"{OFFERS_DLQ}/0/19 " in said
    assert f"{OFFERS_DLQ}/0/20 " not in said


def test_an_input_topic_that_does_not_exist_is_said_before_anything_is_written(registry_url: str) -> None:
    with EmbeddedBroker() as broker:
        for topic in TOPICS.dead_letters.values():
            broker.create_topic(topic, 1)
        dlq = Dlq(broker, registry_url)
        dlq.put(dlq.letter(NOT_AVRO))

        said = dlq.refused("dlq", "redrive", "--all")

    assert said == f"Stopped: the input topic {TOPICS.offer_changes} does not exist"


@pytest.mark.parametrize("command", ["list", "show", "redrive"])
def test_each_command_names_its_exit_codes_and_an_example(command: str) -> None:
    said = " ".join(CliRunner().invoke(cli, ["dlq", command, "--help"]).stdout.split())

    assert "Exit code: 0" in said
    assert f"Example: connector dlq {command}" in said
    assert "--json" in said
