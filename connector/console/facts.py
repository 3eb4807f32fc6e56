"""What the console shows of its process, as frozen values. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from connector.offers.figures import OfferFigures
from connector.orders.poll_lane import PollReport
from connector.reconciliation.sweep_lane import SweepReport
from streams.engine.snapshot import Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """The content of ``/readyz``. The process is ready if there are no ``reasons``, whatever the ``warnings``."""

    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessFacts:
    """The state of one process. The counts are those since it began; ``calls`` and ``slow_downs`` are by account."""

    about: Mapping[str, Any]
    beat_age_s: float  # since the loop's last turn
    readiness: Readiness
    snapshot: Snapshot | None = None  # None: the engine has not started
    polls: Mapping[str, PollReport] = field(default_factory=dict)  # by account
    sweeps: Mapping[str, SweepReport] = field(default_factory=dict)  # by account and storefront
    figures: OfferFigures = field(default_factory=OfferFigures)
    calls: Mapping[str, float] = field(default_factory=dict)
    slow_downs: Mapping[str, float] = field(default_factory=dict)  # answers 429
