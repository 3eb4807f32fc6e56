"""The settings of an account that affect the content of its requests, and what is read of the responses. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from connector.marketplace.call_kinds import group_of


class UpdateMode(StrEnum):
    """The endpoint that updates of units are sent to."""

    BATCH = "batch"  # POST /units/bulk, even for one unit
    SINGLE = "single"  # PATCH /units/{id_unit}


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOptions:
    """An account's options for all its calls."""

    mode: UpdateMode = UpdateMode.BATCH
    quotas: Mapping[str, int] = field(default_factory=dict)  # requests per quota window, by group of endpoints
    contacts: bool = False  # whether names and addresses of orders are read

    def quota(self, kind: str) -> int | None:
        """Returns the quota of the group that a call's kind belongs to, or None if none is configured."""
        return self.quotas.get(group_of(kind) or "")
