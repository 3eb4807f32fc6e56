"""Traffic for a deployment, and a check of all invariants of a run."""

import time
from collections.abc import Iterator, Sequence

from devstack.expectation import Produced
from devstack.traffic import Traffic
from tests.faults import checks
from tests.faults.deployment import WatchedDeployment

SHORT = {"session": "4s", "lease": "1500ms", "call_deadline": "2s"}
"""Values of ``WatchedDeployment.processing`` with which a killed process is replaced quickly."""


def wall_us() -> Iterator[int]:
    """Yields the wall clock in microseconds, strictly increasing."""
    last = 0
    while True:
        last = max(last + 1, time.time_ns() // 1000)
        yield last


def mixed(deployment: WatchedDeployment, seed: int = 1) -> Traffic:
    """Returns traffic with every kind of message about the units of all sellers."""
    single, several = deployment.places()
    return Traffic(single, ambiguous=several, seed=seed)


def all_hold(deployment: WatchedDeployment, produced: Sequence[Produced], limit: int = 111) -> None:
    """Checks the invariants N, O, R, E and C after the run has settled."""
    before = deployment.units_there()
    after = deployment.marketplace.units()
    journal = deployment.marketplace.journal()
    checks.once_each(produced, deployment.results(), deployment.dead_positions())
    checks.in_order(before, journal, deployment.targets, produced)
    checks.end_state(before, after, deployment.targets, produced)
    checks.untouched(deployment.units_before, after)
    checks.nothing_created(journal)
    checks.under_the_limit(journal, deployment.sellers, limit)
    checks.no_overlap(journal)
