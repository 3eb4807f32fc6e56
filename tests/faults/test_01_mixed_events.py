"""20,000 events of every kind, one process: one result each, the right end state, in order, under the limit."""

from collections import Counter, defaultdict

from devstack.traffic import Kind
from simulator.journal import WriteCause
from tests.faults import checks
from tests.faults.conftest import Deploy
from tests.faults.workload import all_hold, mixed, wall_us


def test_20_000_mixed_events_end_in_one_result_each_and_in_the_computed_state(deploy: Deploy) -> None:
    deployment = deploy(catalogue='eans = 600\nconditions = ["NEW", "USED___GOOD"]\nambiguous = 0.03')
    traffic = mixed(deployment)
    connector = deployment.connector()

    produced = deployment.produce(traffic.messages(20_000, wall_us()))
    deployment.settle(produced)

    assert connector.stop() == 0
    all_hold(deployment, produced)
    journal = deployment.marketplace.journal()
    by_calls = [write for write in journal.writes if write.cause is WriteCause.CALL]
    assert checks.only_what_events_carry(journal, deployment.calls(), produced) == len(by_calls) > 0
    statuses: defaultdict[Kind, Counter[str]] = defaultdict(Counter)
    live = {checks.position(row): row for row in deployment.results() if row["origin"] == "LIVE"}
    dead = set(deployment.dead_positions())
    withdrawn = {one.message.key for one in produced if one.message.kind is Kind.TOMBSTONE}
    for one in produced:
        place = (one.partition, one.offset)
        status = "DEAD" if place in dead else live[place]["status"]
        # a tombstone ends what is undone of its EAN, and what comes late
        if status != "UNMANAGED" or one.message.key not in withdrawn or one.message.kind is Kind.TOMBSTONE:
            statuses[one.message.kind][status] += 1
    assert set(statuses) == set(Kind), "a kind of event is not in the traffic"
    assert set(statuses[Kind.UNDECODABLE]) == {"DEAD"}
    assert set(statuses[Kind.UNKNOWN_EAN]) <= {"NOT_FOUND", "SUPERSEDED"}
    assert set(statuses[Kind.AMBIGUOUS]) <= {"AMBIGUOUS", "SUPERSEDED"}
    assert set(statuses[Kind.CONFLICT]) <= {"CONFLICT", "SUPERSEDED"}
    assert set(statuses[Kind.TOMBSTONE]) == {"UNMANAGED"}
    for kind, status in (
        (Kind.UNKNOWN_EAN, "NOT_FOUND"),
        (Kind.AMBIGUOUS, "AMBIGUOUS"),
        (Kind.CONFLICT, "CONFLICT"),
        (Kind.UPDATE, "APPLIED"),
        (Kind.UPDATE, "SUPERSEDED"),
    ):
        assert statuses[kind][status] > 0, (kind, statuses[kind])
    for kind in (Kind.BAD_GTIN, Kind.FUTURE, Kind.WRONG_KEY):
        assert set(statuses[kind]) == {"REJECTED"}, (kind, statuses[kind])
    assert {"REJECTED", "PARTIAL"} & set(statuses[Kind.BAD_CURRENCY])
    unexpected = {"FAILED", "HELD", "UNKNOWN", "UNMANAGED"}
    assert not unexpected & {s for kind, found in statuses.items() if kind is not Kind.TOMBSTONE for s in found}
    misses = [r for r in live.values() if r["status"] == "NOT_FOUND"]
    assert {r["problem"]["message"] for r in misses if r["code"] == "OFFER_NOT_FOUND"} == {"Cannot find existing offer"}
