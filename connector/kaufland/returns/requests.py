"""Turns wants about returns into requests. Pure.

Lists cover all storefronts. By the API's default, they leave out what the marketplace fulfils itself.
"""

from pydantic import TypeAdapter, ValidationError

from connector.kaufland.bodies.api_model import NumericId
from connector.kaufland.bodies.pagination import changes_query
from connector.kaufland.http.exchange import ApiRequest, Unsendable
from connector.marketplace.orders import ReadReturn, ReadReturnPage

_RETURN_ID: TypeAdapter[int] = TypeAdapter(NumericId)


def return_page(body: ReadReturnPage) -> ApiRequest:
    """``GET /returns``, the newest change first."""
    return ApiRequest(method="GET", target=f"/returns?{changes_query(body.changed_from_us, body.offset)}")


def one_return(body: ReadReturn) -> ApiRequest:
    """``GET /returns/{id_return}`` with the returned units, but without the buyer. Raises Unsendable."""
    try:
        return_id = _RETURN_ID.validate_python(body.return_id, strict=True)
    except ValidationError:
        raise Unsendable("the return id is not one of the marketplace's") from None
    return ApiRequest(method="GET", target=f"/returns/{return_id}?embedded=return_units")
