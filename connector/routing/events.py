"""The record of the topic of routing."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutedTarget:
    """The account and storefront that a target id means."""

    target_id: str
    account: str
    storefront: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingAccepted:
    """What each target id was accepted to mean for a consumer group. ``accepted_at_us`` 0: not known."""

    consumer_group: str
    targets: tuple[RoutedTarget, ...] = ()
    accepted_at_us: int
