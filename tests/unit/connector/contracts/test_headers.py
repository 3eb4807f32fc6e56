"""The headers of outputs: CloudEvents attributes, the deciding process, and the trace context."""

from dataclasses import replace

from connector.contracts.headers import NO_TRACE, Stamp, Trace, dataschemas
from connector.offers.events import OfferNotFound, OfferResult
from connector.shipments.events import ShipmentResult
from streams.flow import Headers
from tests.unit.connector.contracts.test_codec import AT, CALLED, EAN, RESULT

STAMP = Stamp(source="/kaufland-connector/g", instance_id="i-1", config_digest="abc")


def of_result(trace: Trace) -> Headers:
    return STAMP.of_decision(
        OfferResult,
        result_id=RESULT.result_id,
        decided_at_us=RESULT.decided_at_us,
        subject=RESULT.ean,
        trace=trace,
    )


def test_a_result_is_a_cloud_event_with_instance_and_configuration() -> None:
    assert of_result(Trace(traceparent="00-ab")) == (
        ("ce_specversion", b"1.0"),
        ("ce_id", f"r/{AT + 2}".encode()),
        ("ce_source", b"/kaufland-connector/g"),
        ("ce_type", b"kaufland.connector.OfferResult.v1"),
        ("ce_time", b"2025-11-22T00:27:14.567893Z"),
        ("ce_subject", EAN.encode()),
        ("content-type", b"application/avro"),
        ("instance_id", b"i-1"),
        ("config_digest", b"abc"),
        ("traceparent", b"00-ab"),
    )


def test_every_output_is_a_cloud_event() -> None:
    for headers in (
        of_result(NO_TRACE),
        STAMP.of(OfferNotFound, id_="r/1", time_us=1, subject=EAN),
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


def test_an_event_names_where_the_registry_has_its_schema() -> None:
    known = dataschemas("https://user:secret@registry.example:8443/ccompat/v7/", {"offer_not_found": 17})
    stamp = replace(STAMP, dataschemas=known)

    headers = dict(stamp.of(OfferNotFound, id_="r/1", time_us=1, subject=EAN))

    assert headers["ce_dataschema"] == b"https://registry.example:8443/ccompat/v7/schemas/ids/17"
    assert "ce_dataschema" not in dict(stamp.of_called(CALLED))


def test_a_call_is_about_its_account() -> None:
    assert ("ce_subject", b"main") in STAMP.of_called(CALLED)


def test_a_whole_second_has_its_fraction_too() -> None:
    assert ("ce_time", b"1970-01-01T00:00:01.000000Z") in STAMP.of(
        OfferNotFound, id_="r/1000000", time_us=1_000_000, subject=EAN
    )


def test_a_shipment_result_has_its_order_as_subject_and_the_instance() -> None:
    headers = STAMP.of_decision(ShipmentResult, result_id="r", decided_at_us=AT + 2, subject="MB7UWLD")

    assert ("ce_id", f"r/{AT + 2}".encode()) in headers
    assert ("ce_subject", b"MB7UWLD") in headers
    assert ("ce_type", b"kaufland.connector.ShipmentResult.v1") in headers
    assert ("config_digest", b"abc") in headers
