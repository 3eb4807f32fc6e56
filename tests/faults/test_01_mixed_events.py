"""20,000 events of every kind, one process: one result each, the right end state, in order, under the limit."""

from collections import Counter, defaultdict

from connector.demo.traffic import Kind
from tests.faults.conftest import Deploy
from tests.faults.workload import all_hold, mixed, wall_us


def test_20_000_mixed_events_end_in_one_result_each_and_in_the_computed_state(deploy: Deploy) -> None:
    deployment = deploy(catalogue='eans = 600\nconditions = ["NEW", "USED___GOOD"]\nambiguous = 0.03')
    traffic = mixed(deployment)
    connector = deployment.connector()

    produced = deployment.produce(traffic.messages(20_000, wall_us()))
    deployment.settle(produced, timeout_s=180)

    assert connector.stop() == 0
    all_hold(deployment, produced)
    statuses: defaultdict[Kind, Counter[str]] = defaultdict(Counter)
    live = {(r["input_partition"], r["input_offset"]): r for r in deployment.results() if r["origin"] == "LIVE"}
    dead = set(deployment.dead_positions())
    for one in produced:
        place = (one.partition, one.offset)
        statuses[one.message.kind]["DEAD" if place in dead else live[place]["status"]] += 1
    assert set(statuses[Kind.UNDECODABLE]) == {"DEAD"}
    assert set(statuses[Kind.UNKNOWN_EAN]) <= {"NOT_FOUND", "SUPERSEDED"}
    assert statuses[Kind.UNKNOWN_EAN]["NOT_FOUND"] > 0
    assert set(statuses[Kind.AMBIGUOUS]) <= {"AMBIGUOUS", "SUPERSEDED"}
    assert set(statuses[Kind.CONFLICT]) <= {"CONFLICT", "SUPERSEDED"}
    assert set(statuses[Kind.TOMBSTONE]) == {"UNMANAGED"}
    for kind in (Kind.BAD_GTIN, Kind.FUTURE, Kind.WRONG_KEY):
        assert set(statuses[kind]) == {"REJECTED"}, (kind, statuses[kind])
    assert {"REJECTED", "PARTIAL"} & set(statuses[Kind.BAD_CURRENCY])
    assert {"APPLIED", "SUPERSEDED"} <= set(statuses[Kind.UPDATE])
    assert not {"FAILED", "HELD", "UNKNOWN"} & {s for found in statuses.values() for s in found}
    misses = [r for r in live.values() if r["status"] == "NOT_FOUND"]
    assert {r["problem"]["message"] for r in misses if r["code"] == "OFFER_NOT_FOUND"} == {"Cannot find existing offer"}
