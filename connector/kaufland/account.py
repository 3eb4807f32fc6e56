"""A seller's account: its settings, and the state that all threads share."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from threading import Lock

from connector.kaufland.call_options import CallOptions, UpdateMode
from connector.kaufland.http.address import Address
from connector.kaufland.http.credentials import Credentials
from connector.kaufland.http.skew import SkewMeter
from streams.dispatch.departures import Departures


def default_user_agent() -> str:
    """Returns product and version, as the marketplace requires."""
    try:
        return f"kaufland-stream-connector/{version('kaufland-stream-connector')}"
    except PackageNotFoundError:
        return "kaufland-stream-connector"


@dataclass(frozen=True, slots=True, kw_only=True)
class KauflandAccount:
    """One seller's account.

    ``quotas``: requests per quota window, by group of endpoints (``connector.marketplace.call_kinds``), for responses
    with ``X-RateLimit-Remaining`` but no limit. ``contacts``: whether names and addresses of an order are passed on;
    if not, they are not read.
    """

    name: str
    credentials: Credentials
    address: Address
    mode: UpdateMode = UpdateMode.BATCH
    user_agent: str = field(default_factory=default_user_agent)
    quotas: Mapping[str, int] = field(default_factory=dict)
    contacts: bool = False

    @property
    def options(self) -> CallOptions:
        """The settings that affect the content of the account's requests."""
        return CallOptions(mode=self.mode, quotas=self.quotas, contacts=self.contacts)


class AccountState:
    """The state of an account that all threads share."""

    def __init__(self, settings: KauflandAccount) -> None:
        self.settings = settings
        self.skew = SkewMeter()
        self._departures = Departures()
        self._leaving = Lock()
        self.refused = False  # whether its last response was a 401: the keys are read again before the next call

    def leave(self, now_s: float, limit_per_s: float) -> float:
        """Thread-safe ``Departures.leave``."""
        with self._leaving:
            return self._departures.leave(now_s, limit_per_s)
