"""The bodies of the calls that change something; each names the event that it is made for. Pure."""

from dataclasses import dataclass

from connector.marketplace.orders import AddParcel, SendUnit


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitSend(SendUnit):
    """A send, with the event that it is made for."""

    event_id: str
    input_offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ParcelPost(AddParcel):
    """A parcel to be added, with the event that it is added for."""

    event_id: str
    input_offset: int
