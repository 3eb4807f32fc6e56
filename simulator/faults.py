"""What is to go wrong, for which calls, and how often. Pure: moments are handed in, chance is drawn from seeds.

A fault has a *match* (which calls) and a *mishap* (what happens). Of the mishaps of a whole call the first that matches
wins; mishaps of single units add up. The same seed and the same calls give the same faults.
"""

from dataclasses import dataclass, field
from typing import Any, TypeAlias

from simulator.chance import happens
from simulator.exchange import HttpResponse, Moment
from simulator.offers.rules import Change
from simulator.problems import ProblemDetails, ProblemType, RequestFieldError


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Which calls. What is not named matches all. Times count from the moment the fault was set."""

    method: str | None = None
    path: str | None = None  # without the base path; "*" at the end stands for any rest
    seller: str | None = None
    unit_ids: frozenset[int] = frozenset()  # any of them in the call
    from_s: float = 0.0
    until_s: float | None = None
    skip: int = 0  # let so many matching calls pass first
    times: int | None = None  # and then hit at most so many
    every: int = 1  # and of those left every nth
    share: float = 1.0  # and of those a random share


# ---- mishaps of a whole call ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Respond:
    """Answer this instead of doing anything: a 429 storm, a share of 5xx, an absurd Retry-After, wrong JSON."""

    status: int
    type: str = ProblemType.ABOUT_BLANK
    message: str = "Scenario"
    retry_after: str | None = None
    body: str | None = None  # word for word instead of the error envelope
    content_type: str = "application/json"

    def answer(self) -> HttpResponse:
        headers = () if self.retry_after is None else (("Retry-After", self.retry_after),)
        if self.body is None:
            return ProblemDetails(status=self.status, type=self.type, message=self.message).answer(headers)
        return HttpResponse(
            status=self.status, body=self.body.encode(), headers=headers, content_type=self.content_type
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Garble:
    """Do what was asked, then answer its status with these bytes as the body."""

    body: str = '{"data": ['


@dataclass(frozen=True, slots=True, kw_only=True)
class Delay:
    """Wait, then do what was asked and answer."""

    wait_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Drip:
    """Do what was asked, then send the answer a few bytes at a time."""

    interval_s: float = 1.0
    bytes_at_once: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Reset:
    """Do nothing; the connection is reset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HalfBody:
    """Do what was asked, send a share of the body, and close."""

    share: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class LoseAnswer:
    """Do what was asked, and close without a byte."""

    reset: bool = False  # by a reset instead of an orderly end


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyLate:
    """Do what was asked only after this time, even if the caller has long gone; then answer, if it has not."""

    after_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """As if the server were gone: calls are reset, new connections too."""


# ---- mishaps of single units ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse:
    """Refuse the units matched, and when ``field`` is named only if they carry it. ``key`` gives a bulk item the form
    of an internal error, which has no list of fields."""

    status: int = 400
    type: str = ProblemType.VALIDATION_ERROR
    message: str = "Refused by the scenario"
    field: str | None = None
    name_field: bool = True  # False = the refusal does not say which field it was
    key: str | None = None

    def problem(self) -> ProblemDetails:
        named = self.field is not None and self.name_field
        errors = (RequestFieldError(self.field or "", self.message),) if named else ()
        return ProblemDetails(status=self.status, type=self.type, message=self.message, errors=errors, key=self.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alter:
    """Accept ``field`` of the units matched, and store another value."""

    field: str
    value: Any


CallMishap: TypeAlias = Respond | Garble | Delay | Drip | Reset | HalfBody | LoseAnswer | ApplyLate | Outage
UnitMishap: TypeAlias = Refuse | Alter
Mishap: TypeAlias = CallMishap | UnitMishap


@dataclass(frozen=True, slots=True, kw_only=True)
class InjectedFault:
    """``name`` is what the journal says when it has struck."""

    name: str
    mishap: Mishap
    match: Match = field(default_factory=Match)
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class IncomingCall:
    """What faults are matched against."""

    method: str
    path: str  # without the base path
    seller: str | None
    unit_ids: tuple[int, ...]
    moment: Moment


class _Armed:
    """A fault that was set, and how often it has matched."""

    __slots__ = ("_hits", "_seen", "_since_us", "fault")

    def __init__(self, fault: InjectedFault, since_us: int) -> None:
        self.fault = fault
        self._since_us = since_us
        self._seen = 0
        self._hits = 0

    def strikes(self, call: IncomingCall) -> bool:
        """Whether this call is hit; asking counts."""
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
    """What is to go wrong with one call. ``names`` are of the faults that struck, for the journal."""

    mishap: CallMishap | None = None
    units: tuple[InjectedFault, ...] = ()
    names: tuple[str, ...] = ()

    def refusal(self, unit_id: int, change: Change) -> ProblemDetails | None:
        """Part of ``market.Meddler``."""
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
        """Part of ``market.Meddler``."""
        for fault in self.units:
            mishap = fault.mishap
            if isinstance(mishap, Alter) and _hits_unit(fault, unit_id) and mishap.field in change:
                change = {**change, mishap.field: mishap.value}
        return change


class FaultInjector:
    """The faults that are set. Owned by one thread."""

    def __init__(self) -> None:
        self._armed: list[_Armed] = []

    def set(self, fault: InjectedFault, now_us: int) -> None:
        """Add a fault; one of the same name is replaced, and counts anew."""
        self.clear(fault.name)
        self._armed.append(_Armed(fault, now_us))

    def clear(self, name: str | None = None) -> None:
        """Take back the fault of this name, or all."""
        self._armed = [armed for armed in self._armed if name is not None and armed.fault.name != name]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(armed.fault.name for armed in self._armed)

    def strike(self, call: IncomingCall) -> CallFaults:
        """What goes wrong with this call."""
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
        """Whether new connections are to be reset: an outage of everybody and everything is due."""
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
