"""Judges the successful responses to sending an order unit and to adding a parcel. Pure."""

from connector.kaufland.http.exchange import ApiResponse
from connector.kaufland.verdict.judge import Verdict
from connector.marketplace.orders import Taken
from streams.flow import Settled


def of_parcel(response: ApiResponse) -> Verdict | None:
    """204 is the only success status in the API's document; no other shows that the parcel was accepted."""
    if response.status != 204:
        return None
    return Verdict(replies=(Settled(answer=Taken(http_status=204)),), outcome="accepted")
