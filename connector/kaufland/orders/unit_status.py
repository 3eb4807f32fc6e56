"""The status of an order unit, by the API's word for it. Pure."""

from collections.abc import Mapping
from types import MappingProxyType

from connector.marketplace.orders import UnitStatus

_STATUSES: Mapping[str, UnitStatus] = MappingProxyType(
    {status.value.lower(): status for status in UnitStatus if status is not UnitStatus.UNKNOWN}
)


def status_of(text: str) -> UnitStatus:
    """Returns the status of an order unit; UNKNOWN for an unrecognized text."""
    return _STATUSES.get(text.lower(), UnitStatus.UNKNOWN)
