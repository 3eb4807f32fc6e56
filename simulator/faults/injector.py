"""Decides which faults apply to a call. Pure: the time is passed in, and random draws are seeded.

If several faults of a whole call match, the first one applies; faults of single units all apply. The same seed and the
same calls give the same faults.
"""

from dataclasses import dataclass

from simulator.chance import happens
from simulator.exchange import Moment
from simulator.faults.mishaps import Alter, CallMishap, InjectedFault, Match, Outage, Refuse
from simulator.offers.rules import Change
from simulator.problems import ProblemDetails


@dataclass(frozen=True, slots=True, kw_only=True)
class IncomingCall:
    """The properties of a call that faults are matched against."""

    method: str
    path: str  # without the base path
    seller: str | None
    unit_ids: tuple[int, ...]
    moment: Moment


class _Armed:
    """An active fault with its counters of matches."""

    __slots__ = ("_hits", "_seen", "_since_us", "fault")

    def __init__(self, fault: InjectedFault, since_us: int) -> None:
        self.fault = fault
        self._since_us = since_us
        self._seen = 0
        self._hits = 0

    def strikes(self, call: IncomingCall) -> bool:
        """Whether the fault applies to this call. Counts the call, so ask once per call."""
        if not self._matches(call):
            return False
        match = self.fault.match
        place = self._seen - match.skip
        self._seen += 1
        if place < 0 or place % match.every or (match.times is not None and self._hits >= match.times):
            return False
        if not happens(match.share, self.fault.seed, self.fault.name, place):
            return False
        self._hits += 1
        return True

    def is_due(self, now_us: int) -> bool:
        age_s = (now_us - self._since_us) / 1e6
        match = self.fault.match
        return age_s >= match.from_s and (match.until_s is None or age_s < match.until_s)

    def _matches(self, call: IncomingCall) -> bool:
        match = self.fault.match
        return (
            self.is_due(call.moment.mono_us)
            and match.method in (None, call.method)
            and match.seller in (None, call.seller)
            and _path_matches(match.path, call.path)
            and (not match.unit_ids or not match.unit_ids.isdisjoint(call.unit_ids))
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFaults:
    """The faults that apply to one call: at most one of the whole call, any of its units; implements
    ``call_context.UnitFaults``. ``names`` are their names, for the journal."""

    mishap: CallMishap | None = None
    units: tuple[InjectedFault, ...] = ()
    names: tuple[str, ...] = ()

    def refusal(self, unit_id: int, change: Change) -> ProblemDetails | None:
        """Returns the refusal of the first fault that refuses this unit, or None."""
        for fault in self.units:
            mishap = fault.mishap
            if (
                isinstance(mishap, Refuse)
                and _hits_unit(fault, unit_id)
                and (mishap.field is None or mishap.field in change)
            ):
                return mishap.problem()
        return None

    def altered(self, unit_id: int, change: Change) -> Change:
        """Returns the change with the values of all faults that alter this unit."""
        for fault in self.units:
            mishap = fault.mishap
            if isinstance(mishap, Alter) and _hits_unit(fault, unit_id) and mishap.field in change:
                change = {**change, mishap.field: mishap.value}
        return change


class FaultInjector:
    """The active faults. Not thread-safe."""

    def __init__(self) -> None:
        self._armed: list[_Armed] = []

    def set(self, fault: InjectedFault, now_us: int) -> None:
        """Adds a fault; one of the same name is replaced and its counters restart."""
        self.clear(fault.name)
        self._armed.append(_Armed(fault, now_us))

    def clear(self, name: str | None = None) -> None:
        """Removes the fault of this name, or all faults."""
        self._armed = [armed for armed in self._armed if name is not None and armed.fault.name != name]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(armed.fault.name for armed in self._armed)

    def strike(self, call: IncomingCall) -> CallFaults:
        """Returns the faults that apply to this call, and counts it. Call it once per call."""
        mishap: CallMishap | None = None
        units: list[InjectedFault] = []
        names: list[str] = []
        for armed in self._armed:
            fault = armed.fault
            if isinstance(fault.mishap, Refuse | Alter):
                if armed.strikes(call):
                    units.append(fault)
                    names.append(fault.name)
            elif mishap is None and armed.strikes(call):
                mishap = fault.mishap
                names.append(fault.name)
        return CallFaults(mishap=mishap, units=tuple(units), names=tuple(names)) if names else NO_FAULTS

    def is_out(self, now_us: int) -> bool:
        """Whether new connections are reset: an outage without any filter is active."""
        return any(
            isinstance(armed.fault.mishap, Outage) and _is_total(armed.fault.match) and armed.is_due(now_us)
            for armed in self._armed
        )


NO_FAULTS = CallFaults()


def _hits_unit(fault: InjectedFault, unit_id: int) -> bool:
    return not fault.match.unit_ids or unit_id in fault.match.unit_ids


def _is_total(match: Match) -> bool:
    return match == Match(from_s=match.from_s, until_s=match.until_s)


def _path_matches(pattern: str | None, path: str) -> bool:
    if pattern is None:
        return True
    return path.startswith(pattern[:-1]) if pattern.endswith("*") else path == pattern
