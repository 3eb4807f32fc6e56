"""6,000 events of every kind, one process: one result each, the expected final state, in order, within the limit."""

from collections import Counter, defaultdict

from devstack.traffic import MessageKind
from simulator.journal import WriteCause
from tests.faults import checks
from tests.faults.conftest import Deploy
from tests.faults.workload import all_hold, mixed, wall_us


def test_6_000_mixed_events_end_in_one_result_each_and_in_the_computed_state(deploy: Deploy) -> None:
    deployment = deploy(catalogue='eans = 600\nconditions = ["NEW", "USED___GOOD"]\nambiguous = 0.03')
    traffic = mixed(deployment)
    connector = deployment.connector()

    produced = deployment.produce(traffic.messages(6_000, wall_us()))
    deployment.settle(produced)

    assert connector.stop() == 0
    all_hold(deployment, produced)
    journal = deployment.marketplace.journal()
    by_calls = [write for write in journal.writes if write.cause is WriteCause.CALL]
    assert checks.only_what_events_carry(journal, deployment.calls(), produced) == len(by_calls) > 0
    statuses: defaultdict[MessageKind, Counter[str]] = defaultdict(Counter)
    live = {checks.position(row): row for row in deployment.results() if row["origin"] == "LIVE"}
    dead = set(deployment.dead_positions())
    withdrawn = {one.message.key for one in produced if one.message.kind is MessageKind.TOMBSTONE}
    for one in produced:
        place = (one.partition, one.offset)
        status = "DEAD" if place in dead else live[place]["status"]
        ends = {status, *(() if place in dead else (field["status"] for field in live[place]["fields"]))}
        # a tombstone ends pending and late events of its EAN, or those of their fields that are left
        if "UNMANAGED" not in ends or one.message.key not in withdrawn or one.message.kind is MessageKind.TOMBSTONE:
            statuses[one.message.kind][status] += 1
    assert set(statuses) == set(MessageKind), "a kind of event is not in the traffic"
    assert set(statuses[MessageKind.UNDECODABLE]) == {"DEAD"}
    assert set(statuses[MessageKind.UNKNOWN_EAN]) <= {"NOT_FOUND", "SUPERSEDED"}
    assert set(statuses[MessageKind.AMBIGUOUS]) <= {"AMBIGUOUS", "SUPERSEDED"}
    assert set(statuses[MessageKind.CONFLICT]) <= {"CONFLICT", "SUPERSEDED"}
    assert set(statuses[MessageKind.TOMBSTONE]) == {"UNMANAGED"}
    for kind, status in (
        (MessageKind.UNKNOWN_EAN, "NOT_FOUND"),
        (MessageKind.AMBIGUOUS, "AMBIGUOUS"),
        (MessageKind.CONFLICT, "CONFLICT"),
        (MessageKind.UPDATE, "APPLIED"),
        (MessageKind.UPDATE, "SUPERSEDED"),
    ):
        assert statuses[kind][status] > 0, (kind, statuses[kind])
    for kind in (MessageKind.BAD_GTIN, MessageKind.FUTURE, MessageKind.WRONG_KEY):
        assert set(statuses[kind]) == {"REJECTED"}, (kind, statuses[kind])
    assert {"REJECTED", "PARTIAL"} & set(statuses[MessageKind.BAD_CURRENCY])
    unexpected = {"FAILED", "HELD", "UNKNOWN", "UNMANAGED"}
    assert not unexpected & {s for kind, found in statuses.items() if kind is not MessageKind.TOMBSTONE for s in found}
    misses = [r for r in live.values() if r["status"] == "NOT_FOUND"]
    assert {r["problem"]["message"] for r in misses if r["code"] == "OFFER_NOT_FOUND"} == {"Cannot find existing offer"}
