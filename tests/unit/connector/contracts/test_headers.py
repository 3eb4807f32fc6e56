"""The headers of outputs."""

from connector.contracts.headers import Stamp, Trace
from connector.shipments.events import ShipmentResult, ShipmentStatus
from tests.unit.connector.contracts.test_codec import AT, CALLED, EAN, NOT_FOUND, RESULT, STATE

STAMP = Stamp(source="/kaufland-connector/g", instance_id="i-1", config_digest="abc")


def test_a_result_is_a_cloud_event_and_says_who_decided_with_which_configuration() -> None:
    assert STAMP.of_result(RESULT, Trace(traceparent="00-ab", tracestate="a=b")) == (
        ("ce_specversion", b"1.0"),
        ("ce_id", f"r/{AT + 2}".encode()),
        ("ce_source", b"/kaufland-connector/g"),
        ("ce_type", b"kaufland.connector.OfferResult.v1"),
        ("ce_time", b"2025-11-22T00:27:14.567893Z"),
        ("ce_subject", EAN.encode()),
        ("content-type", b"application/vnd.confluent.avro"),
        ("instance_id", b"i-1"),
        ("config_digest", b"abc"),
        ("traceparent", b"00-ab"),
        ("tracestate", b"a=b"),
    )


def test_every_output_is_a_cloud_event() -> None:
    for headers in (
        STAMP.of_result(RESULT),
        STAMP.of_not_found(NOT_FOUND),
        STAMP.of_state(STATE),
        STAMP.of_called(CALLED),
    ):
        names = [name for name, _ in headers]
        assert names[:7] == [
            "ce_specversion",
            "ce_id",
            "ce_source",
            "ce_type",
            "ce_time",
            "ce_subject",
            "content-type",
        ]
        assert "traceparent" not in names


def test_a_call_is_about_its_account() -> None:
    assert ("ce_subject", b"main") in STAMP.of_called(CALLED)


def test_a_whole_second_has_its_fraction_too() -> None:
    assert ("ce_time", b"1970-01-01T00:00:01.000000Z") in STAMP.of_state(
        type(STATE)(ean=EAN, managed=True, input_partition=0, last_offset=0, updated_at_us=1_000_000)
    )


def test_a_parcels_result_is_about_its_order_and_says_who_decided() -> None:
    result = ShipmentResult(
        result_id="r",
        event_id="e",
        status=ShipmentStatus.CONFIRMED,
        order_id="MB7UWLD",
        input_topic="t",
        input_partition=0,
        input_offset=1,
        occurred_at_us=AT,
        received_at_us=AT,
        decided_at_us=AT + 2,
    )

    headers = STAMP.of_shipment_result(result)

    assert ("ce_id", f"r/{AT + 2}".encode()) in headers
    assert ("ce_subject", b"MB7UWLD") in headers
    assert ("ce_type", b"kaufland.connector.ShipmentResult.v1") in headers
    assert ("config_digest", b"abc") in headers
