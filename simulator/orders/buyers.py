"""Generated buyers. Pure.

Every field that would hold personal data contains ``CANARY``, so that a search for that word finds all places that such
data has leaked to.
"""

from dataclasses import dataclass
from typing import Final

CANARY: Final = "Canary-"
_FIRST_BUYER_ID: Final = 9_700_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Buyer:
    """The buyer of one order."""

    number: int
    country: str  # two letters

    def body(self) -> dict[str, object]:
        return {"id_buyer": _FIRST_BUYER_ID + self.number, "email": f"{CANARY}{self.number}-mail@buyers.invalid"}

    def note(self) -> str:
        """Returns the buyer's note on a return."""
        return f"{CANARY}{self.number}-note: does not fit, {self.body()['email']}"

    def address(self, purpose: str) -> dict[str, object]:
        """Returns an address. ``purpose`` is "billing" or "shipping" and appears in the generated text fields."""
        sign = f"{CANARY}{self.number}-{purpose}"
        return {
            "first_name": f"{sign}-first",
            "last_name": f"{sign}-last",
            "company_name": f"{sign}-company",
            "street": f"{sign}-street",
            "house_number": f"{sign}-house",
            "postcode": f"{sign}-postcode",
            "additional_field": f"{sign}-additional",
            "city": f"{sign}-city",
            "phone": f"{sign}-phone",
            "country": self.country,
        }
