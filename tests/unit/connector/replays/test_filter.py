"""A replay delivers the records that meet all of its restrictions."""

from typing import Any

import pytest

from connector.offers.events import OfferChanged, OfferWithdrawn
from connector.replays.filter import ReplayFilter
from tests.harness.offer_harness import EAN, OTHER_EAN, TOPICS, OfferHarness, flow_of


def event(**said: Any) -> OfferChanged:
    return OfferHarness(flow_of()).make(stock=1, **said)


TOMBSTONE = OfferWithdrawn(key=EAN, input_topic=TOPICS.offer_changes, partition=0, offset=3, record_time_us=1)


@pytest.mark.parametrize(
    ("wanted", "given", "matches"),
    [
        (ReplayFilter(), event(), True),
        (ReplayFilter(), TOMBSTONE, True),
        (ReplayFilter(eans=frozenset({EAN})), event(), True),
        (ReplayFilter(eans=frozenset({OTHER_EAN})), event(), False),
        (ReplayFilter(eans=frozenset({EAN})), TOMBSTONE, True),
        (ReplayFilter(target_ids=frozenset({"shop-de"})), event(target_id="shop-de"), True),
        (ReplayFilter(target_ids=frozenset({"shop-de"})), event(target_id="shop-at"), False),
        (ReplayFilter(target_ids=frozenset({"shop-de"})), event(target_id=None), False),
        (ReplayFilter(target_ids=frozenset({"shop-de"}), default_target="shop-de"), event(target_id=None), True),
        (ReplayFilter(target_ids=frozenset({"shop-de"})), TOMBSTONE, False),
        (ReplayFilter(attributes={"brand": "y"}), event(attributes={"brand": "y", "line": "z"}), True),
        (ReplayFilter(attributes={"brand": "y"}), event(attributes={"line": "z"}), False),
        (ReplayFilter(attributes={"brand": "y", "line": "z"}), event(attributes={"brand": "y"}), False),
        (ReplayFilter(attributes={"brand": "y"}), TOMBSTONE, False),
        (ReplayFilter(eans=frozenset({EAN}), attributes={"brand": "y"}), event(), False),
    ],
)
def test_every_restriction_must_be_met(
    wanted: ReplayFilter, given: OfferChanged | OfferWithdrawn, matches: bool
) -> None:
    assert wanted.matches(given) is matches
