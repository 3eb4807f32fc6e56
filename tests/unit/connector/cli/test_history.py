"""``connector why`` and ``not-found`` over an embedded broker and registry: what they print, and what is kept.

The blocks of docs/operations.md are compared with what the commands print.
"""

import csv
import time
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from connector.cli.main import cli
from connector.contracts.call_log_row import CallItem
from connector.controls.commands import (
    CommandScope,
    ControlCommand,
    ControlKind,
    ControlState,
    ReplayRange,
    ReplayRequest,
)
from connector.offers.events import (
    Announced,
    Basis,
    Candidate,
    DriftAction,
    DriftCause,
    HeldField,
    OfferNotFound,
    Origin,
    Pending,
    Undone,
    UndoneField,
)
from connector.replays.progress import ReplayProgress, ReplayState
from devstack.embedded_broker import EmbeddedBroker
from devstack.embedded_registry import EmbeddedRegistry
from tests.harness.offer_rows import (
    BASE_US,
    EAN,
    MINUTE_US,
    UNIT,
    call,
    drifted,
    fact,
    field_result,
    problem,
    result,
    result_id,
    sent,
    state,
    swept,
)
from tests.harness.pages import ROOT, block
from tests.harness.projected_topics import ProjectedTopics, Row
from tests.harness.shown_commands import output_of

PAGE = "docs/operations.md"
HOLD = ControlCommand(
    command_id="hold-3f9a1c2e",
    kind=ControlKind.HOLD,
    state=ControlState.IN_FORCE,
    scope=CommandScope(attributes={"brand": "Globex"}, fields=("price",)),
    reason="wrong price list",
    issued_by="anna",
    issued_at_us=BASE_US + 60 * MINUTE_US,
)


def at_us(minutes: float) -> int:
    return BASE_US + int(minutes * MINUTE_US)


def story() -> list[Row]:
    """Returns the rows of an offer with two accepted prices, overtaken events, a late one, and one that is held."""
    waiting = Undone(
        result_id=result_id(61),
        event_id="61",
        target_id="shop-de",
        condition="NEW",
        input_offset=61,
        occurred_at_us=at_us(61),
        source="erp",
        received_at_us=at_us(61),
        since_us=at_us(61),
        fields=(UndoneField(field="price", value=result_price("9.99"), currency="EUR"),),
        announced=Announced.HELD,
        held=(HeldField(field="price", held_by="hold-3f9a1c2e"),),
        times_seen=0,
    )
    late = "OUT_OF_ORDER"
    return [
        result(
            1,
            "APPLIED",
            field_result("price", "APPLIED", "19.99", before="24.00", sent="19.99"),
            field_result("stock", "UNCHANGED", "5", before="5"),
            sent=sent(at_us(1), "connector-0-17"),
        ),
        result(20, "SUPERSEDED", field_result("price", "SUPERSEDED", "18.49", superseded_by=result_id(21))),
        result(21, "SUPERSEDED", field_result("price", "SUPERSEDED", "18.29", superseded_by=result_id(22))),
        result(
            22,
            "APPLIED",
            field_result("price", "APPLIED", "17.99", before="19.99", sent="17.99"),
            sent=sent(at_us(22.1), "connector-0-41", "connector-1-3"),
            decided_at_us=at_us(22.2),
        ),
        result(
            23,
            "SUPERSEDED",
            field_result("price", "SUPERSEDED", "21.00", before="17.99", code=late, superseded_by=result_id(22)),
            code=late,
            occurred_at_us=at_us(10),
        ),
        result(61, "HELD", field_result("price", "HELD", "9.99", code="HELD_BY_PERSON"), held_by="hold-3f9a1c2e"),
        call("connector-0-17", at_us(1)),
        call("connector-0-41", at_us(22), http_status=503, outcome="server_error"),
        call(
            "connector-1-3",
            at_us(22.1),
            method="POST",
            path="/v2/units/bulk-update?storefront=de",
            items=(CallItem(unit_id=UNIT, status_code=200), CallItem(unit_id=UNIT + 1, status_code=200)),
        ),
        state(
            [
                fact("price", "17.99", offset=22, at_us=at_us(22.1) + 40_000),
                fact("stock", "5", offset=None, at_us=at_us(0)),
            ],
            undone=(waiting,),
        ),
        HOLD,
    ]


def result_price(text: str) -> Any:
    return field_result("price", "APPLIED", text).requested


@pytest.fixture(scope="module")
def registry_url() -> Iterator[str]:
    """A registry with this version's schemas."""
    with EmbeddedRegistry() as registry:
        environ = {"CONNECTOR__REGISTRY__URL": registry.url, "CONNECTOR__RECONCILE__ENABLED": "true"}
        config = str(ROOT / "config" / "example.toml")
        done = CliRunner().invoke(cli, ("schemas", "register", "--config", config), env=environ)
        assert done.exit_code == 0, done.output
        yield registry.url


@pytest.fixture
def topics(registry_url: str, tmp_path: Path) -> Iterator[ProjectedTopics]:
    """The topics, all empty."""
    with EmbeddedBroker() as broker:
        yield ProjectedTopics(broker, registry_url, tmp_path / "projection")


def test_the_answer_is_what_the_documentation_shows(topics: ProjectedTopics) -> None:
    topics.put(*story())

    for command in ("why 4006381333931", "why 4006381333931 --at 2026-01-31T06:21:00"):
        assert topics.said(*command.split()) == output_of(command)


REPLAY = ControlCommand(
    command_id="replay-5b2d9e10",
    kind=ControlKind.REPLAY,
    state=ControlState.IN_FORCE,
    reason="after the wrong price list",
    issued_by="anna",
    issued_at_us=BASE_US + 80 * MINUTE_US,
    replay=ReplayRequest(input_topic="kaufland.offer-changes.v1", ranges=(ReplayRange(partition=3, start=0, end=100),)),
)


def drifted_story(**more: Any) -> list[Row]:
    """Returns the rows of an offer whose price was edited outside, after a replay had read its event again."""
    shown = Basis.OBSERVED
    return [
        result(
            22,
            "APPLIED",
            field_result("price", "APPLIED", "17.99", before="19.99", sent="17.99"),
            sent=sent(at_us(22), "connector-0-41"),
        ),
        result(
            22,
            "UNCHANGED",
            field_result("price", "UNCHANGED", "17.99", before="17.99"),
            origin=Origin.REPLAY,
            command_id=REPLAY.command_id,
            decided_at_us=at_us(81),
        ),
        call("connector-0-41", at_us(22)),
        state([fact("price", "15.00", offset=22, at_us=at_us(90), basis=shown)]),
        REPLAY,
        ReplayProgress(
            replay_id=REPLAY.command_id,
            input_topic="kaufland.offer-changes.v1",
            partition=3,
            start=0,
            end=100,
            position=100,
            delivered=40,
            state=ReplayState.DONE,
            reported_at_us=at_us(82),
        ),
        swept(),
        drifted(swept(), "17.99", **more),
    ]


def test_what_a_sweep_and_a_replay_did_is_what_the_documentation_shows(topics: ProjectedTopics) -> None:
    topics.put(*drifted_story())

    assert topics.said("why", EAN) == block(PAGE, "text", "EDITED_OUTSIDE, it was edited outside").body


def test_a_sweep_a_drift_and_a_replay_are_in_the_document(topics: ProjectedTopics) -> None:
    topics.put(*drifted_story(), drifted(swept(), "17.99"), swept(unit_id=UNIT + 7, storefront="at", is_live=False))

    found = topics.json("why", EAN)

    assert [(one["storefront"], one["live"], one["price"]) for one in found["swept"]] == [
        ("at", False, "15"),
        ("de", True, "15"),
    ]
    assert [(one["accepted"], one["observed"], one["cause"]) for one in found["drifts"]] == [
        ("17.99", "15", "EDITED_OUTSIDE")
    ]
    [replay] = found["replays"]
    assert (replay["command"]["reason"], replay["result_ids"]) == (REPLAY.reason, [result_id(22)])
    assert [(one["partition"], one["state"], one["position"]) for one in replay["partitions"]] == [(3, "DONE", 100)]
    before = topics.json("why", EAN, "--at", "2026-01-31T07:29:00")
    assert (before["swept"], before["drifts"]) == ([], [])


def test_a_repair_is_shown_with_how_it_ended(topics: ProjectedTopics) -> None:
    repair = result(
        22,
        "APPLIED",
        field_result("price", "APPLIED", "17.99", before="15.00", sent="17.99"),
        result_id=result_id(900),
        origin=Origin.RESEND,
        decided_at_us=at_us(91),
    )
    rows = drifted_story(action=DriftAction.REPAIRED, result_id=result_id(900), cause=DriftCause.LOST_WRITE)
    topics.put(*rows)
    assert "sent again: no result yet" in topics.said("why", EAN)

    topics.put(repair)

    assert "LOST_WRITE, the accepted write was lost; the accepted value is sent again: APPLIED" in topics.said(
        "why", EAN
    )


def test_an_ean_that_only_a_sweep_has_seen_is_known(topics: ProjectedTopics) -> None:
    topics.put(swept(is_live=False, status="ONHOLD", stock=0))

    assert topics.said("why", EAN).endswith(
        f"advice: Unit {UNIT} is not live, as the sweep of 2026-01-31T07:30:00Z shows: status ONHOLD, stock 0. See the "
        "seller portal\n"
    )


def test_the_advice_about_an_offer_that_is_not_found_names_a_unit_that_a_sweep_shows(topics: ProjectedTopics) -> None:
    topics.put(not_found(), swept(condition="USED_GOOD"))
    assert topics.json("why", EAN)["advice"] == (
        f"Create the offer. The sweep of 2026-01-31T07:30:00Z shows unit {UNIT} here, condition USED_GOOD, offer id "
        "SKU-1."
    )

    topics.put(swept())

    assert f"shows unit {UNIT} for it, which is looked up next" in topics.json("why", EAN)["advice"]


def test_without_reconciliation_its_topics_are_not_read(topics: ProjectedTopics) -> None:
    topics.put(*drifted_story())
    assert topics.json("why", EAN)["drifts"]

    topics.environ["CONNECTOR__RECONCILE__ENABLED"] = "false"

    found = topics.json("why", EAN)
    assert (found["swept"], found["drifts"], len(found["replays"])) == ([], [], 1)


def test_the_answer_as_json_has_exact_values_and_everything_else(topics: ProjectedTopics) -> None:
    topics.put(*story())

    found = topics.json("why", EAN)

    [unit] = found["units"]
    price, stock = unit["fields"]
    assert (price["value"], price["currency"], price["event_id"]) == ("17.99", "EUR", "22")
    assert [(one["event_id"], one["superseded_by"]) for one in price["won_over"]] == [
        ("20", [result_id(21), result_id(22)]),
        ("21", [result_id(22)]),
        ("23", [result_id(22)]),
    ]
    assert (stock["value"], stock["basis"], stock["result_id"]) == ("5", "OBSERVED", None)
    [waiting] = found["waiting"]
    assert [one["command_id"] for one in waiting["held_by"]] == ["hold-3f9a1c2e"]
    assert len(found["events"]) == 6


def test_a_later_run_reads_only_what_is_new_and_says_the_same(topics: ProjectedTopics) -> None:
    rows = story()
    topics.put(*rows[:3])
    assert len(topics.json("why", EAN)["events"]) == 3

    topics.put(*rows[3:])

    assert topics.said("why", EAN) == topics.said("why", EAN, "--rebuild")


def test_a_tombstone_removes_an_offer_that_was_found(topics: ProjectedTopics) -> None:
    row = not_found()
    topics.put(row)
    assert [one["code"] for one in topics.json("why", EAN)["not_found"]] == ["OFFER_NOT_FOUND"]

    topics.delete(row)

    assert topics.json("why", EAN, code=1)["not_found"] == []


def test_the_advice_about_an_offer_that_is_not_found_is_that_of_its_record(topics: ProjectedTopics) -> None:
    advice = "Create the offer for EAN 1, condition NEW, storefront de, or correct the event."
    topics.put(not_found(advice=advice), result(1, "NOT_FOUND", unit_id=None, problem=problem("none", advice)))

    assert topics.json("why", EAN)["advice"].startswith(advice)


def test_a_target_leaves_out_what_other_targets_have(topics: ProjectedTopics) -> None:
    topics.put(*story(), result(70, "REJECTED", target_id="shop-at", unit_id=None, code="EAN_INVALID"))

    assert [one["event_id"] for one in topics.json("why", EAN, "--target", "shop-at")["events"]] == ["70"]
    assert topics.json("why", EAN, "--target", "shop-at")["units"] == []
    assert "70" not in [one["event_id"] for one in topics.json("why", EAN, "--target", "shop-de")["events"]]
    refused = topics.run("why", EAN, "--target", "shop-fr")
    assert str(refused.exception) == "--target shop-fr is not configured; configured: shop-at, shop-de"


def test_an_ean_of_which_nothing_is_known_ends_with_code_1(topics: ProjectedTopics) -> None:
    assert "No topic knows this EAN" in topics.said("why", "4006381333948", code=1)


def test_an_invalid_ean_is_looked_for_as_events_have_it(topics: ProjectedTopics) -> None:
    topics.put(result(1, "REJECTED", ean="12-34", unit_id=None, code="EAN_INVALID"))

    assert [one["code"] for one in topics.json("why", "12-34")["events"]] == ["EAN_INVALID"]


def test_an_ean_may_be_written_with_fewer_zeros(topics: ProjectedTopics) -> None:
    topics.put(*story())

    assert topics.said("why", f"0{EAN}") == topics.said("why", EAN)


def test_an_event_that_was_rejected_for_the_form_of_its_ean_is_found_by_the_normal_one(topics: ProjectedTopics) -> None:
    topics.put(*story(), result(70, "REJECTED", ean=f"0{EAN}", unit_id=None, code="KEY_NOT_NORMAL"))

    assert topics.json("why", EAN)["events"][0]["code"] == "KEY_NOT_NORMAL"


def test_replays_do_not_change_what_became_of_an_event(topics: ProjectedTopics) -> None:
    topics.put(
        *story(),
        result(
            22,
            "UNCHANGED",
            field_result("price", "UNCHANGED", "17.99", before="17.99"),
            origin=Origin.REPLAY,
            decided_at_us=at_us(90),
        ),
    )

    [event] = [one for one in topics.json("why", EAN)["events"] if one["event_id"] == "22"]
    assert event["status"] == "APPLIED"
    assert [one["origin"] for one in event["rows"]] == ["LIVE", "REPLAY"]


def test_what_cannot_be_read_is_said(topics: ProjectedTopics) -> None:
    bad = topics.record(result(1, "APPLIED"), b"{}")
    topics.put(*story())
    topics.put_records([bad])

    assert "1 record of offer_results cannot be read, such as: NOT_AVRO" in topics.said("why", EAN)


def test_texts_of_others_cannot_command_the_terminal(topics: ProjectedTopics) -> None:
    topics.put(*story(), result(70, "REJECTED", event_id="\x1b[2Jgone", unit_id=None, code="EAN_INVALID"))

    assert "event \\x1b[2Jgone" in topics.said("why", EAN)


def test_a_missing_topic_is_named(registry_url: str, tmp_path: Path) -> None:
    with EmbeddedBroker() as broker:
        made = ProjectedTopics(broker, registry_url, tmp_path)
        made.environ["CONNECTOR__TOPICS__OFFER_RESULTS"] = "elsewhere"
        done = made.run("why", EAN)

    assert "the topic elsewhere does not exist" in str(done.exception)


def test_a_damaged_file_is_named_with_its_remedy_and_can_be_built_again(topics: ProjectedTopics) -> None:
    topics.put(*story())
    topics.said("why", EAN)
    [file] = topics.folder.glob("*.sqlite")
    for other in topics.folder.glob("*.sqlite-*"):
        other.unlink()
    file.write_bytes(b"not a database" * 1000)

    assert f"the projection {file} cannot be used" in str(topics.run("why", EAN).exception)
    assert "17.99 EUR" in topics.said("why", EAN, "--rebuild")


def test_only_its_owner_may_read_what_is_kept(topics: ProjectedTopics) -> None:
    topics.put(*story())
    topics.said("why", EAN)

    [file] = topics.folder.glob("*.sqlite")
    assert (topics.folder.stat().st_mode & 0o777, file.stat().st_mode & 0o777) == (0o700, 0o600)


# ---- units -----------------------------------------------------------------------------------------------------------


def some_units() -> list[Row]:
    return [
        swept(),
        swept(ean="4006381333948", unit_id=UNIT + 1, offer_id="SKU-2", status="ONHOLD", is_live=False),
        swept(ean="4006381333955", unit_id=UNIT + 2, offer_id="SKU-3", stock=0, is_live=False),
        swept(ean="4006381333962", unit_id=UNIT + 2, offer_id="SKU-3", stock=0, is_live=False),
        swept(
            ean="4006381333979", unit_id=UNIT + 3, offer_id=None, storefront="at", status="INCOMPLETE", is_live=False
        ),
    ]


def test_the_units_that_are_not_live_are_what_the_documentation_shows(topics: ProjectedTopics) -> None:
    topics.put(*some_units())

    command = "units --not-live"
    assert topics.said(*command.split(), code=1) == output_of(command)


def test_units_by_storefront_as_json_and_all_live(topics: ProjectedTopics) -> None:
    assert topics.said("units", code=1) == "No sweep has seen a unit.\n", "whether all are live is not known"
    topics.put(*some_units())

    found = topics.json("units", "--storefront", "de", code=1)

    assert found["counts"] == {"LIVE": 1, "ON_HOLD": 1, "NO_STOCK": 1}
    assert [(one["unit_id"], one["liveness"], one["eans"]) for one in found["units"]] == [
        (UNIT, "LIVE", [EAN]),
        (UNIT + 2, "NO_STOCK", ["4006381333955", "4006381333962"]),
        (UNIT + 1, "ON_HOLD", ["4006381333948"]),
    ]
    refused = topics.run("units", "--storefront", "fr")
    assert str(refused.exception) == "--storefront fr is not configured; configured: at, de"
    for row in some_units()[1:]:
        topics.delete(row)
    assert topics.json("units", "--not-live")["units"] == []
    topics.environ["CONNECTOR__RECONCILE__ENABLED"] = "false"
    assert "Remedy: [reconcile] enabled = true" in str(topics.run("units").exception)


# ---- not-found -------------------------------------------------------------------------------------------------------


def missing_offers() -> list[Row]:
    """Returns offers of two brands that are not found, for different reasons."""
    now_us = time.time_ns() // 1_000
    rows: list[Row] = []
    for number in range(9):
        globex, since_us = number < 6, now_us - (number * 24 + 2) * 60 * MINUTE_US
        other = Candidate(unit_id=1_000_000 + number, storefront="de", condition="NEW", offer_id=f"SKU-{number}")
        rows.append(
            not_found(
                ean=f"952000000{number}001",
                condition="USED_GOOD" if number < 4 else "NEW",
                target_id="shop-at" if number == 8 else "shop-de",
                storefront="at" if number == 8 else "de",
                attributes={"brand": "Globex" if globex else "Initech"},
                candidates=(other,) if number < 4 else (),
                pending=(
                    Pending(field="stock", value=Decimal(number + 1), event_time_us=since_us, event_id=f"{number}"),
                    Pending(
                        field="price",
                        value=Decimal("19.9900"),
                        currency="EUR",
                        event_time_us=since_us,
                        event_id=f"{number}",
                    ),
                ),
                first_seen_at_us=since_us,
                last_seen_at_us=now_us,
                times_seen=number + 1,
            )
        )
    return rows


def test_the_patterns_are_what_the_documentation_shows(topics: ProjectedTopics) -> None:
    topics.put(*missing_offers())

    command = "not-found --by brand,target"
    assert topics.said(*command.split()) == output_of(command)


def test_a_unit_that_only_a_sweep_has_seen_is_the_likely_reason(topics: ProjectedTopics) -> None:
    topics.put(not_found(), not_found(ean="4006381333948"), not_found(ean="4006381333955"))
    topics.put(
        swept(condition="USED_GOOD"),
        swept(ean="4006381333948", storefront="at"),
        swept(ean="4006381333955", account="b"),
    )

    reasons = topics.json("not-found", "--by", "reason")["reasons"]

    assert reasons == {"NOT_IN_ACCOUNT": 1, "OTHER_CONDITION": 1, "OTHER_STOREFRONT": 1}


def test_the_file_has_a_row_for_each_offer_and_no_formula(topics: ProjectedTopics, tmp_path: Path) -> None:
    topics.put(*missing_offers(), not_found(ean="4006381333948", attributes={"brand": "=1+1"}, offer_id="-2\n"))
    file = tmp_path / "not-found.csv"

    topics.said("not-found", "--by", "brand", "--out", str(file))

    with file.open(newline="") as lines:
        rows = {row["ean"]: row for row in csv.DictReader(lines)}
    assert len(rows) == 10
    first = rows["9520000000001"]
    assert (first["price"], first["currency"], first["stock"], first["brand"]) == ("19.99", "EUR", "1", "Globex")
    assert (first["reason"], first["other_units"]) == (
        "OTHER_CONDITION",
        "unit 1000000 (de, NEW, offer id SKU-0)",
    )
    assert (rows["4006381333948"]["brand"], rows["4006381333948"]["offer_id"]) == ("'=1+1", "'-2\\n")


def test_only_offers_of_today_and_of_one_target(topics: ProjectedTopics) -> None:
    topics.put(not_found(), not_found(ean="4006381333948", first_seen_at_us=time.time_ns() // 1_000))

    assert topics.json("not-found")["offers"] == 2
    assert [one["example"] for one in topics.json("not-found", "--today")["patterns"]] == ["4006381333948"]
    assert topics.json("not-found", "--target", "shop-at")["patterns"] == []
    assert topics.said("not-found", "--target", "shop-at") == "Every offer that events ask for is found.\n"


def test_an_offer_that_was_found_is_not_counted_any_more(topics: ProjectedTopics) -> None:
    rows = missing_offers()
    topics.put(*rows)
    assert topics.json("not-found")["offers"] == 9

    topics.delete(rows[0])

    assert topics.json("not-found")["offers"] == 8


def test_grouping_by_nothing_and_a_file_that_cannot_be_written_are_refused(
    topics: ProjectedTopics, tmp_path: Path
) -> None:
    assert "--by names nothing" in str(topics.run("not-found", "--by", " , ").exception)
    assert "cannot be written" in str(topics.run("not-found", "--out", str(tmp_path / "no" / "file.csv")).exception)


def not_found(**more: Any) -> OfferNotFound:
    row = OfferNotFound(
        result_id=result_id(1),
        event_id="1",
        code="OFFER_NOT_FOUND",
        message="Cannot find existing offer",
        advice="Create the offer.",
        target_id="shop-de",
        account="demo",
        storefront="de",
        ean=EAN,
        condition="NEW",
        first_seen_at_us=at_us(1),
        last_seen_at_us=at_us(1),
        times_seen=1,
    )
    return replace(row, **more)
