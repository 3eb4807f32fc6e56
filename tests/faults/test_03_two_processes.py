"""Two processes share the partitions and the rate limit; of a long backlog, only the newest values are sent."""

from collections import Counter

from devstack.expectation import expected_units
from devstack.traffic import MessageKind, Traffic
from simulator.journal import WriteCause
from tests.faults.conftest import Deploy
from tests.faults.workload import SHORT, all_hold, mixed, wall_us

READ_AHEAD = 20_000
"""The default read-ahead per partition, in offsets."""


def test_a_process_joins_and_another_leaves_under_load(deploy: Deploy) -> None:
    deployment = deploy(processing=SHORT, account={"rate": {"strict": True}})
    traffic = mixed(deployment, seed=4)
    times = wall_us()
    first = deployment.connector("one")
    produced = deployment.produce(traffic.messages(1_600, times))
    deployment.wait_for_calls(50)

    deployment.connector("two")

    def second_calls() -> bool:
        """Whether the second process has made a call; keeps producing, so that there is always something to send."""
        produced.extend(deployment.produce(traffic.messages(160, times)))
        return any(call["instance_id"].endswith("-two") for call in deployment.calls())

    deployment.wait_for("a call of the second", second_calls, every_s=0.5)
    assert first.stop() == 0
    produced += deployment.produce(traffic.messages(800, times))
    deployment.settle(produced)

    all_hold(deployment, produced)


def test_a_backlog_of_18_000_events_on_900_eans_is_sent_as_its_newest_values(deploy: Deploy) -> None:
    # enough partitions that each backlog is within the read-ahead: nothing is sent before all of it has been read
    deployment = deploy(
        partitions=2,
        storefronts=("de",),
        catalogue="eans = 900\nlinked = 0.0\nambiguous = 0.0\nmissing = 0.0\nfurther_condition = 0.0",
    )
    places, _ = deployment.places()
    assert len(places) == 900
    traffic = Traffic(places, seed=5, weights={MessageKind.UPDATE: 1.0}, zipf=0.5)
    produced = deployment.produce(traffic.messages(18_000, wall_us()))
    assert max(Counter(one.partition for one in produced).values()) < READ_AHEAD

    connector = deployment.connector()
    deployment.settle(produced)

    assert connector.stop() == 0
    all_hold(deployment, produced)
    newest = expected_units(deployment.units_there(), deployment.targets, produced)
    writes = [write for write in deployment.marketplace.journal().writes if write.cause is WriteCause.CALL]
    assert not [write for write in writes if write.new != newest[write.unit_id][write.field]]
    fields = Counter((write.unit_id, write.field) for write in writes)
    assert set(fields.values()) == {1}
