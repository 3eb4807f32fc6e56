"""Two processes share the work and the limit; a long backlog is sent as its newest values."""

from connector.demo.traffic import Kind, Traffic
from tests.faults.conftest import Deploy
from tests.faults.deployment import wait_for
from tests.faults.test_02_killed import wait_for_calls
from tests.faults.workload import SHORT, all_hold, mixed, wall_us


def test_one_joins_and_one_leaves_in_mid_flow(deploy: Deploy) -> None:
    deployment = deploy(processing=SHORT, account={"rate": {"strict": True}})
    traffic = mixed(deployment, seed=4)
    times = wall_us()
    first = deployment.connector("one")
    produced = deployment.produce(traffic.messages(4_000, times))
    wait_for_calls(deployment, 50)

    deployment.connector("two")
    produced += deployment.produce(traffic.messages(4_000, times))
    wait_for(
        "a call of the second",
        lambda: any(call["instance_id"].endswith("-two") for call in deployment.calls()),
        60,
        every_s=0.5,
    )
    assert first.stop() == 0
    produced += deployment.produce(traffic.messages(2_000, times))
    deployment.settle(produced, timeout_s=180)

    all_hold(deployment, produced)


def test_a_backlog_of_200_000_events_is_sent_as_its_newest_values(deploy: Deploy) -> None:
    deployment = deploy(catalogue="eans = 2500\nlinked = 0.0\nambiguous = 0.0\nmissing = 0.0")
    single, _ = deployment.places()
    traffic = Traffic(single, seed=5, weights={Kind.UPDATE: 1.0})
    produced = deployment.produce(traffic.messages(200_000, wall_us()))

    connector = deployment.connector()
    deployment.settle(produced, timeout_s=420)

    assert connector.stop() == 0
    all_hold(deployment, produced)
    writes = deployment.marketplace.journal().write_calls
    items = sum(len(call.unit_ids) for call in writes)
    touched = {one.message.payload["unit_id"] or one.message.key for one in produced if one.message.payload}
    assert items < 2.5 * len(single), f"{items} unit updates for {len(single)} units and {len(touched)} keys"
