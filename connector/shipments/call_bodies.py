"""The bodies of the calls that change something at the marketplace, with the event of each. Pure."""

from dataclasses import dataclass

from connector.marketplace.orders import AddParcel, SendUnit


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitSend(SendUnit):
    """The confirmation of an order unit, with the event that it is made for."""

    event_id: str
    input_offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ParcelPost(AddParcel):
    """A parcel to be added, with the event that it is added for."""

    event_id: str
    input_offset: int
