"""How long a rebuild takes: the state and the group's positions are gone, and the whole input is read again.

The offers are identified by one sweep. Only the newest price of each offer is written, after all events were read.
"""

import time

from benchmarks.report import ReportSection, at_most
from benchmarks.stand import PARTITIONS, Stand, stand, until
from devstack.processes import wait_for
from devstack.stack import Stack
from simulator.journal import WriteCause

_PATIENCE_S = 900.0
_MILLION = 1_000_000


def measure(kafka: Stack, offers: int, events: int) -> ReportSection:
    """Rebuilds the state of ``offers`` offers from ``events`` events."""
    with stand(kafka, offers, reconcile={}) as ready:
        start = ready.input_ends()
        sent = ready.events.paced(events, 1.0)
        ready.send(sent)
        _recreate_state(ready)
        begin_s = time.time()
        with ready.connectors(start=start, patience_s=_PATIENCE_S):
            opened_s = time.time()
            until("a result of each event", lambda: len(ready.result_times_s()) >= events, _PATIENCE_S)
            ready.deployment.quiet(for_s=1.0)
            took_s = ready.result_times_s()[-1] - begin_s
        journal = ready.deployment.marketplace.journal()
    changed = {event.offer.unit_id for event in sent}
    written = [write for write in journal.writes if write.cause is WriteCause.CALL]
    read_s = opened_s - begin_s
    return ReportSection(
        title="Rebuild",
        head=("offers", "events", "until the gates open", "until the last result", "per million events", "calls"),
        rows=[
            (
                f"{offers:,}",
                f"{events:,}",
                f"{read_s:.0f} s",
                f"{took_s:.0f} s",
                f"{took_s / events * _MILLION / 60:.0f} min",
                f"{len(journal.calls):,}",
            )
        ],
        notes=[
            f"one process, {PARTITIONS} partitions; the times begin with its start, and include the wait of the gate "
            "as after a crash, because the positions were set by a tool",
            "the figure per million is the whole time times a million by the number of events: the fixed waits in it "
            "do not grow",
        ],
        goals=[at_most("writes beside the newest value of each offer", len(written) - len(changed), 0)],
    )


def _recreate_state(ready: Stand) -> None:
    deployment = ready.deployment
    topic, admin = deployment.topic("offer-state"), deployment.kafka.admin()
    deployment.kafka.delete_topic(topic)
    wait_for("the topic to be gone", lambda: topic not in admin.list_topics(timeout=10).topics)
    deployment.set_up("topics", "--create")
