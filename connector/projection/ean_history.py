"""All that the topics say about one EAN. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from connector.contracts.call_log_row import MarketplaceCalled
from connector.controls.commands import ControlCommand
from connector.offers.events import OfferDrifted, OfferNotFound, OfferResult, OfferState
from connector.reconciliation.events import UnitObserved
from connector.replays.progress import ReplayProgress


@dataclass(frozen=True, slots=True, kw_only=True)
class EanHistory:
    """The records of an EAN, and what they refer to.

    ``calls``: the rows of each call that a result or an undone event names; a call without a row has no entry.
    ``begins_us``: when the oldest result of any EAN was decided that the topic still has; None if it has none.
    """

    ean: str
    results: tuple[OfferResult, ...] = ()  # every row, also repeated ones, in no order
    states: tuple[OfferState, ...] = ()  # one for each partition that has one
    not_found: tuple[OfferNotFound, ...] = ()
    calls: Mapping[str, tuple[MarketplaceCalled, ...]] = field(default_factory=dict)
    commands: tuple[ControlCommand, ...] = ()
    replays: tuple[ReplayProgress, ...] = ()  # of all replays and partitions
    shown: tuple[UnitObserved, ...] = ()  # its units as sweeps saw them last
    drifts: tuple[OfferDrifted, ...] = ()  # in no order
    begins_us: int | None = None
    unreadable: tuple[str, ...] = ()  # what could not be decoded, as sentences

    @property
    def state(self) -> OfferState | None:
        """The newest state; a source that has changed its partitioner leaves an older one behind."""
        return max(self.states, key=lambda state: state.updated_at_us, default=None)

    @property
    def is_empty(self) -> bool:
        """Whether no topic knows the EAN."""
        return not (self.results or self.states or self.not_found or self.shown or self.drifts)
