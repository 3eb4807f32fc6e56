"""The EANs whose newest result has a status."""

from decimal import Decimal

from connector.offers.events import FieldResult, FieldStatus, OfferResult, Origin, Status
from connector.operations.replay.selection import eans_with_status


def result(ean: str, status: str, decided_at_us: int, target_id: str = "shop-de", *fields: str) -> OfferResult:
    return OfferResult(
        result_id="r",
        event_id="e",
        origin=Origin.LIVE,
        status=Status(status),
        ean=ean,
        target_id=target_id,
        condition="NEW",
        input_topic="changes",
        input_partition=0,
        input_offset=1,
        occurred_at_us=1,
        received_at_us=1,
        decided_at_us=decided_at_us,
        fields=tuple(FieldResult(field="price", status=FieldStatus(one), requested=Decimal(1)) for one in fields),
    )


FAILED = frozenset({Status.FAILED})


def chosen(*rows: OfferResult, targets: tuple[str, ...] = ()) -> set[str]:
    return set(eans_with_status(rows, FAILED, frozenset(targets)))


def test_the_newest_result_of_an_offer_decides() -> None:
    assert chosen(
        result("1", "FAILED", 1), result("1", "APPLIED", 2), result("2", "APPLIED", 1), result("2", "FAILED", 2)
    ) == {"2"}


def test_newest_is_decided_last_in_whatever_order_the_topic_is_read() -> None:
    assert chosen(result("1", "APPLIED", 2), result("1", "FAILED", 1)) == set()


def test_of_two_results_at_once_the_one_read_last_counts() -> None:
    assert chosen(result("1", "APPLIED", 2), result("1", "FAILED", 2)) == {"1"}


def test_a_later_success_on_another_target_does_not_hide_a_failure() -> None:
    rows = result("1", "FAILED", 1), result("1", "APPLIED", 2, "shop-at")

    assert chosen(*rows) == {"1"}
    assert chosen(*rows, targets=("shop-at",)) == set()


def test_a_field_that_failed_beside_one_that_was_replaced_counts() -> None:
    mixed = result("1", "PARTIAL", 2, "shop-de", "SUPERSEDED", "FAILED")
    other = result("2", "PARTIAL", 2, "shop-de", "SUPERSEDED", "APPLIED")

    assert chosen(mixed, other) == {"1"}
    assert chosen(mixed, result("1", "APPLIED", 3)) == set()
