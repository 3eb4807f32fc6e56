"""The side input that shows owners what sweeps saw: the partition of the units topic beside that of the input. Pure."""

from collections.abc import Callable, Sequence
from typing import Final

from connector.reconciliation.events import UnitObserved
from streams.flow import BadRecord, NotYet, Now, Output, Record, Told
from streams.side_input import Message, SideInput, SidePosition

UNITS: Final = "units"
"""The name of the side input."""

ReadUnit = Callable[[Record], UnitObserved | BadRecord | NotYet]


class SweptUnits:
    """The ``streams.side_input.SideInputs`` of reconciliation: each row is told to the lane of its EAN."""

    def __init__(self, topic: str, read_unit: ReadUnit) -> None:
        self._topic: Final = topic
        self._read_unit: Final = read_unit

    def inputs(self, partition: int) -> Sequence[SideInput]:
        """Returns the partition of the units topic with the same number, which is followed."""
        return (SideInput(name=UNITS, topic=self._topic, partition=partition),)

    def is_over(self, name: str) -> bool:  # noqa: ARG002
        """Returns False: a topic that is followed has no end."""
        return False

    def read(self, name: str, record: Record, now: Now) -> Message:  # noqa: ARG002
        """Decodes a row; tombstones are skipped."""
        if record.value is None:
            return None
        row = self._read_unit(record)
        return Told(lane=row.ean, message=row) if isinstance(row, UnitObserved) else row

    def progress(
        self,
        partition: int,  # noqa: ARG002
        side_input: SideInput,  # noqa: ARG002
        reached: SidePosition,  # noqa: ARG002
        now: Now,  # noqa: ARG002
    ) -> Sequence[Output]:
        """Returns nothing: a topic that is followed has no end."""
        return ()
