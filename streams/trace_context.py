"""Reads W3C trace contexts, and derives further ones from what they stand for. Pure.

Ids are derived, not drawn by lot: the same piece of work has the same ids at its first attempt, after a restart, and in
another process. So nothing has to be kept while a trace is unfinished, whether it takes seconds or weeks.
"""

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

TRACEPARENT: Final = "traceparent"
"""The header with the context of the step before."""

_FORM: Final = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_SAMPLED: Final = 1
_BITS: Final = 56  # of a trace id: the part that is random in every version of the specification


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceContext:
    """A span, as other spans refer to it; ids are lower-case hexadecimal."""

    trace_id: str
    span_id: str
    sampled: bool

    @property
    def traceparent(self) -> str:
        """The value of the header, version 00."""
        return f"00-{self.trace_id}-{self.span_id}-{int(self.sampled):02x}"


def parse(traceparent: str | None) -> TraceContext | None:
    """Returns the context of a header; None if there is none, or if it must be ignored by the specification."""
    found = _FORM.fullmatch(traceparent) if traceparent is not None else None
    if found is None:
        return None
    version, trace_id, span_id, flags, more = found.groups()
    if version == "ff" or (version == "00" and more) or not int(trace_id, 16) or not int(span_id, 16):
        return None
    return TraceContext(trace_id=trace_id, span_id=span_id, sampled=bool(int(flags, 16) & _SAMPLED))


def carried(traceparent: str | None) -> str | None:
    """Returns the header as it is passed on: one of version 00 unchanged, one of a later version as version 00.

    None for one that must be ignored. Whoever writes it chooses its length, and it goes into state and every output.
    """
    context = parse(traceparent)
    if context is None:
        return None
    return traceparent if traceparent is not None and traceparent.startswith("00-") else context.traceparent


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """Which traces are recorded: of traces that begin here this share, and all others as their parent says.

    Raises ValueError for a share outside 0 to 1.
    """

    ratio: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.ratio <= 1:
            raise ValueError(f"the ratio must be in 0..1, got {self.ratio}")

    def begins(self, identity: str) -> TraceContext:
        """Returns the context of a span without a parent. ``identity`` names the work, and no other."""
        digest = sha256(identity.encode()).hexdigest()
        return self._root(digest[16:48], digest[:16], None)

    def below(self, identity: str, parent: TraceContext | None) -> TraceContext:
        """Returns the context of a span below a parent; without one, it begins a trace."""
        if parent is None:
            return self.begins(identity)
        span_id = sha256(identity.encode()).hexdigest()[:16]
        return TraceContext(trace_id=parent.trace_id, span_id=span_id, sampled=parent.sampled)

    def across(self, identity: str, parents: tuple[TraceContext, ...]) -> TraceContext:
        """Returns the context of a span with any number of parents: of several, it begins a trace of its own, which is
        recorded if one of theirs is."""
        if len(parents) == 1:
            return self.below(identity, parents[0])
        digest = sha256(identity.encode()).hexdigest()
        return self._root(digest[16:48], digest[:16], any(one.sampled for one in parents) if parents else None)

    def _root(self, trace_id: str, span_id: str, sampled: bool | None) -> TraceContext:
        if sampled is None:
            sampled = int(trace_id, 16) % (1 << _BITS) < self.ratio * (1 << _BITS)
        return TraceContext(trace_id=trace_id, span_id=span_id, sampled=sampled)
