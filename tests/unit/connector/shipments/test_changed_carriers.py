"""The shipment flow uses the aliases of carriers that are in use when a turn begins."""

from dataclasses import replace

from connector.mappings.in_use import MappingsInUse
from connector.routing.table import Routing
from connector.shipments.flow import ShipmentFlow
from tests.harness.offer_harness import REFERENCE
from tests.harness.shipment_harness import ShipmentHarness, flow_of, policy, unit


class ChangingCarriers:
    """A ``MappingSource`` that a test changes."""

    def __init__(self) -> None:
        self.in_use = MappingsInUse(routing=Routing.of(()), reference=REFERENCE, carriers={})

    def alias(self, name: str, code: str) -> None:
        self.in_use = replace(self.in_use, carriers={**self.in_use.carriers, name: code})


def dispatched(flow: ShipmentFlow, order: str) -> ShipmentHarness:
    """Returns the lane of an order whose parcel goes with the carrier "The Yellow Ones"."""
    harness = ShipmentHarness(flow=flow)
    harness.lane = flow.load(order, None)
    harness.event(1, of=("The Yellow Ones:T1",))
    harness.order(unit(1))
    if "carriers" in harness.kinds:
        harness.carriers("DHL", "Other")
    return harness


def test_an_alias_that_is_added_applies_to_tables_that_were_read_before() -> None:
    mappings = ChangingCarriers()
    flow = flow_of(policy(), mappings=mappings)
    before = dispatched(flow, "ORDER-1")
    assert [result["code"] for result in before.results] == ["CARRIER_UNKNOWN"]

    mappings.alias("The Yellow Ones", "DHL")
    after = dispatched(flow, "ORDER-2")

    assert after.kinds == ["send"]
    assert not after.results
