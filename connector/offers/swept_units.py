"""The side input that shows owners what sweeps saw: the partition of the units topic beside that of the input. Pure."""

from collections.abc import Callable, Sequence
from typing import Final

from connector.offers.cold_start import ColdStarts
from connector.reconciliation.codec import read_mark
from connector.reconciliation.events import SweepPhase, UnitObserved
from streams.flow import BadRecord, NotYet, Now, Output, Record, Told
from streams.side_input import Message, Opening, ReviewLanes, SideInput, SidePosition

UNITS: Final = "units"
"""The name of the side input."""

ReadUnit = Callable[[Record], UnitObserved | BadRecord | NotYet]


class SweptUnits:
    """The ``streams.side_input.SideInputs`` of reconciliation: each row is told to the lane of its EAN.

    The marks of sweeps are noted in ``cold``, which the flow of the lanes shares.
    """

    def __init__(self, topic: str, read_unit: ReadUnit, cold: ColdStarts) -> None:
        self._topic: Final = topic
        self._read_unit: Final = read_unit
        self._cold: Final = cold

    def inputs(self, partition: int) -> Sequence[SideInput]:
        """Returns the partition of the units topic with the same number, which is followed."""
        return (SideInput(name=UNITS, topic=self._topic, partition=partition),)

    def opened(self, opening: Opening, now: Now) -> None:
        """Notes since when a sweep shows everything that previous owners wrote."""
        self._cold.opened(opening, now.wall_us)

    def is_over(self, name: str) -> bool:  # noqa: ARG002
        """Returns False: a topic that is followed has no end."""
        return False

    def read(self, name: str, record: Record, now: Now) -> Message:  # noqa: ARG002
        """Decodes a row. The mark of a sweep has lanes take a turn that are to wait for it, or did."""
        if record.value is None:
            return ReviewLanes() if self._concerns_lanes(record, now) else None
        row = self._read_unit(record)
        if isinstance(row, UnitObserved):
            self._cold.passed(record.at.partition, (row.account, row.storefront))
            return Told(lane=row.ean, message=row)
        if isinstance(row, BadRecord):
            self._cold.missed(record.at.partition)
        return row

    def _concerns_lanes(self, record: Record, now: Now) -> bool:
        """Notes a mark. Other tombstones are skipped."""
        mark = read_mark(record)
        if mark is None:
            return False
        if mark.phase is SweepPhase.BEGAN:
            return self._cold.began(record.at.partition, mark, now.wall_us)
        return self._cold.ended(record.at.partition, mark)

    def progress(
        self,
        partition: int,  # noqa: ARG002
        side_input: SideInput,  # noqa: ARG002
        reached: SidePosition,  # noqa: ARG002
        now: Now,  # noqa: ARG002
    ) -> Sequence[Output]:
        """Returns nothing: a topic that is followed has no end."""
        return ()
