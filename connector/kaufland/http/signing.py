"""Signs requests with the seller's secret key. Pure.

The signature is HMAC-SHA256 in lower-case hex over four lines: the method in upper case, the absolute URI exactly as
requested (scheme, host, path, query), the raw body (an empty line if there is none), and Unix seconds. The HMAC key is
the secret's text itself, not the bytes that its hex digits decode to. Source: the worked example on
https://sellerapi.kaufland.com/?page=rest-api; the prose there mentions base64, but the example and all samples use hex.
"""

import hashlib
import hmac

CLIENT_KEY_HEADER = "Shop-Client-Key"
TIMESTAMP_HEADER = "Shop-Timestamp"
SIGNATURE_HEADER = "Shop-Signature"

WINDOW_S = 300
"""How many seconds the timestamp may be before or after the server's time."""


def sign(secret: str, *, method: str, uri: str, body: bytes, timestamp_s: int) -> str:
    """Returns the signature of one request; ``uri`` and ``body`` must be exactly what is sent."""
    text = b"\n".join((method.upper().encode("ascii"), uri.encode("ascii"), body, str(timestamp_s).encode("ascii")))
    return hmac.new(secret.encode("ascii"), text, hashlib.sha256).hexdigest()
