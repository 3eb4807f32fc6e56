"""The result_id of a result, and the key of a not-found record."""

import uuid

from hypothesis import given
from hypothesis import strategies as st

from connector.contracts.result_ids import result_id
from connector.offers.events import not_found_key

NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "kaufland-stream-connector/result")


@given(st.text(max_size=30), st.text(max_size=30), st.integers(0, 2**31 - 1), st.integers(0, 2**63 - 1))
def test_a_result_id_is_the_uuid_of_its_input_position(cluster: str, topic: str, partition: int, offset: int) -> None:
    found = result_id(cluster, topic, partition, offset)

    assert found == str(uuid.uuid5(NAMESPACE, f"{cluster}/{topic}/{partition}/{offset}"))


def test_a_result_id_never_changes() -> None:
    """Consumers identify results by it, so no release may change this value."""
    assert result_id("c", "t", 1, 2) == "30850877-a40c-507d-b410-569d1c0554ab"


def test_a_part_of_a_record_has_a_result_id_of_its_own() -> None:
    assert result_id("c", "t", 1, 2, 3) == str(uuid.uuid5(NAMESPACE, "c/t/1/2/3"))


def test_a_not_found_row_is_named_by_target_condition_offer_and_ean() -> None:
    assert not_found_key("shop-de", "NEW", "SKU-1", "4006381333931") == "shop-de|NEW|SKU-1|4006381333931"
    assert not_found_key("shop-de", "NEW", None, "4006381333931") == "shop-de|NEW||4006381333931"
