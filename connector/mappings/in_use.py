"""The mappings in use at one moment, as flows take them over before a turn. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from connector.mappings.overrides import NO_OVERRIDES, Overrides
from connector.mappings.rates import NO_RATES, Rates
from connector.marketplace.offers import Reference
from connector.routing.table import Routing


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingsInUse:
    """One snapshot; a newer one is another object."""

    routing: Routing
    reference: Reference
    carriers: Mapping[str, str] = field(default_factory=dict)  # the seller's name -> the marketplace's code
    overrides: Overrides = NO_OVERRIDES
    rates: Rates = NO_RATES
    config_digest: str = ""  # of the settings in use; "" = that of the start


class MappingSource(Protocol):
    """Where flows find the mappings in use. Any thread."""

    @property
    def in_use(self) -> MappingsInUse: ...


class FixedMappings:
    """A ``MappingSource`` that does not change."""

    def __init__(self, in_use: MappingsInUse) -> None:
        self._in_use = in_use

    @property
    def in_use(self) -> MappingsInUse:
        return self._in_use
