"""A command of a person and what it applies to, one class per record of ``schemas/control_command.v2.avsc``. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from connector.contracts.microseconds import us


class ControlKind(StrEnum):
    """What a command does."""

    UNKNOWN = "UNKNOWN"  # of a newer version; ignored
    HOLD = "HOLD"  # changes of offers within its scope are held
    PAUSE = "PAUSE"  # the same, for whole accounts or targets
    STOP_WRITES = "STOP_WRITES"  # nothing is changed at the marketplace; reading goes on
    RESEND = "RESEND"  # accepted values are compared with the marketplace, and sent again where they differ
    REPLAY = "REPLAY"  # records of the input are read again beside the live ones
    VERIFY = "VERIFY"  # as RESEND, and nothing is sent
    GUARD = "GUARD"  # what guard rails hold by then is sent (RELEASED), or ends without being sent (DROPPED)


COMPARING: Final = frozenset({ControlKind.RESEND, ControlKind.VERIFY})
"""Commands that lanes are told of, and carry out once."""
COMPARING_EXPIRES_S: Final = 3_600.0
"""Such a command expires this many seconds after it was given at the latest, so that lanes can forget it."""


class ControlState(StrEnum):
    """What has become of a command."""

    UNKNOWN = "UNKNOWN"  # of a newer version; ignored
    IN_FORCE = "IN_FORCE"
    RELEASED = "RELEASED"  # over; what it held is sent, and a replay reads no further
    DROPPED = "DROPPED"  # over; what it held ends without being sent


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopedField:
    """One field of an event, by what the scopes of commands restrict."""

    account: str
    target_id: str | None
    storefront: str
    ean: str
    attributes: Mapping[str, str]
    field: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandScope:
    """What a command applies to: whatever meets every restriction. An empty one restricts nothing."""

    accounts: tuple[str, ...] = ()
    target_ids: tuple[str, ...] = ()
    storefronts: tuple[str, ...] = ()
    eans: tuple[str, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)  # an event must have all of them
    fields: tuple[str, ...] = ()

    def covers_target(self, account: str, target_id: str | None, storefront: str) -> bool:
        """Whether it covers anything of a target."""
        return (
            (not self.accounts or account in self.accounts)
            and (not self.target_ids or target_id in self.target_ids)
            and (not self.storefronts or storefront in self.storefronts)
        )

    def covers(self, changed: ScopedField) -> bool:
        """Whether it covers one field of an event."""
        return (
            self.covers_target(changed.account, changed.target_id, changed.storefront)
            and (not self.eans or changed.ean in self.eans)
            and (not self.fields or changed.field in self.fields)
            and all(changed.attributes.get(name) == value for name, value in self.attributes.items())
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayRange:
    """Offsets of one partition. ``end`` is exclusive."""

    partition: int
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayRequest:
    """The part of the input that a replay reads; the command's scope says which of its records are delivered."""

    input_topic: str
    input_topic_id: str = ""  # a topic that was deleted and created again has another one; empty: not known
    ranges: tuple[ReplayRange, ...] = ()  # at most one for each partition
    statuses: tuple[str, ...] = ()  # of the newest results by which the scope's EANs were chosen
    is_paused: bool = False

    def range_of(self, partition: int) -> ReplayRange | None:
        """Returns what is to be read of a partition; None if nothing is."""
        return next((one for one in self.ranges if one.partition == partition), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlCommand:
    """A command and its present state. Only the state changes, who changed it when, and whether a replay is paused."""

    command_id: str
    kind: ControlKind
    state: ControlState
    scope: CommandScope = field(default_factory=CommandScope)
    guards: tuple[str, ...] = ()  # of GUARD: names of guard rails; empty = all
    reason: str = ""
    issued_by: str
    issued_at_us: int
    expires_at_us: int | None = None  # None: not before a person releases or drops it
    changed_by: str | None = None
    changed_at_us: int | None = None
    replay: ReplayRequest | None = None  # None unless the kind is REPLAY

    @property
    def ends_at_us(self) -> int | None:
        """When it expires; None: never. STOP_WRITES never does, and a comparison does within an hour."""
        if self.kind is ControlKind.STOP_WRITES:
            return None
        if self.kind not in COMPARING:
            return self.expires_at_us
        latest_us = self.issued_at_us + us(COMPARING_EXPIRES_S)
        return latest_us if self.expires_at_us is None else min(latest_us, self.expires_at_us)

    def state_at(self, now_us: int) -> ControlState:
        """Returns the state at a time: an expired command counts as RELEASED."""
        ends_at_us = self.ends_at_us
        if self.state is ControlState.IN_FORCE and ends_at_us is not None and now_us >= ends_at_us:
            return ControlState.RELEASED
        return self.state

    def decides(self, guard: str, held_since_us: int) -> bool:
        """Whether it decides on what a guard rail has held since then; what comes later is judged anew."""
        return (
            self.kind is ControlKind.GUARD
            and (not self.guards or guard in self.guards)
            and held_since_us <= self.issued_at_us
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Verify:
    """Asks a lane to compare what its accepted events want with what the marketplace shows now (RESEND, VERIFY)."""

    command: ControlCommand
