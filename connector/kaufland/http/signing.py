"""Key, method, absolute URI, body, time -> signature. Pure.

HMAC-SHA256 in lower-case hex over four lines: method in upper case, absolute URI exactly as requested (scheme, host,
path, query), raw body (an empty line when there is none), Unix seconds. The key is the secret's text, not what its hex
digits decode to. Source: https://sellerapi.kaufland.com/?page=rest-api and its worked example; the prose there speaks
of base64, the example and every sample are hex.
"""

import hashlib
import hmac

CLIENT_KEY_HEADER = "Shop-Client-Key"
TIMESTAMP_HEADER = "Shop-Timestamp"
SIGNATURE_HEADER = "Shop-Signature"

WINDOW_S = 300
"""How far the timestamp may be from the server's time, before or after."""


def sign(secret: str, *, method: str, uri: str, body: bytes, timestamp_s: int) -> str:
    """The signature of one request; ``uri`` and ``body`` must be the very text and bytes that leave."""
    text = b"\n".join((method.upper().encode("ascii"), uri.encode("ascii"), body, str(timestamp_s).encode("ascii")))
    return hmac.new(secret.encode("ascii"), text, hashlib.sha256).hexdigest()
