"""Deciding changes the draft of the turn alone; the flow notes which lane reads an account's carriers."""

from copy import deepcopy

from connector.marketplace.call_kinds import CallKind
from connector.shipments.carrier_tables import CarrierTables
from connector.shipments.decide import decide
from connector.shipments.policy import ShipmentTerms
from connector.shipments.shared import ShipmentShared
from connector.shipments.shipment_draft import ShipmentDraft
from tests.harness.shipment_harness import CLUSTER, SECOND, TOPICS, ShipmentHarness, policy, unit


def needing_carriers() -> ShipmentHarness:
    harness = ShipmentHarness()
    harness.event(11)
    harness.order(unit(11))
    assert harness.kinds == [CallKind.CARRIERS]
    return harness


def test_the_same_lane_is_decided_in_the_same_way_again_and_what_lanes_share_is_unchanged() -> None:
    harness = needing_carriers()
    terms = ShipmentTerms(policy=policy(), cluster_id=CLUSTER, topic=TOPICS.shipments)
    shared = ShipmentShared(carriers=CarrierTables(policy()))
    before = deepcopy(vars(shared.carriers))

    plans = [decide(ShipmentDraft(harness.lane, terms, harness.now_us), shared) for _ in range(2)]

    assert [read.account for read in plans[0].carriers] == ["main"]
    assert plans[0] == plans[1]
    assert vars(shared.carriers) == before


def test_a_second_lane_waits_while_the_first_reads_the_carriers() -> None:
    first = needing_carriers()
    second = ShipmentHarness(flow=first.flow, now_us=first.now_us, lane=first.flow.load("OTHER", None))

    second.event(12, order_id="OTHER", key="OTHER")
    second.order(unit(12))

    assert second.wants == ()
    assert second.wake_at_us == second.now_us + SECOND // 2
