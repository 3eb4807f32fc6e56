"""Verifies a captured request as the marketplace would, written from its documentation without the code under test.

HMAC is implemented here after RFC 2104, so that it is not shared with the code under test either.
"""

from collections.abc import Mapping
from hashlib import sha256

_BLOCK = 64


def _hmac(key: bytes, text: bytes) -> str:
    padded = (sha256(key).digest() if len(key) > _BLOCK else key).ljust(_BLOCK, b"\0")
    inner = sha256(bytes(b ^ 0x36 for b in padded) + text).digest()
    return sha256(bytes(b ^ 0x5C for b in padded) + inner).hexdigest()


def faults_of(
    *,
    method: str,
    scheme: str,
    target: str,
    headers: Mapping[str, str],
    body: bytes,
    client_key: str,
    secret_key: str,
    now_s: float,
    window_s: int = 300,
) -> list[str]:
    """Returns the faults for which the marketplace would refuse the request. ``headers``: by lower-case name."""
    faults = [f"{name} is missing" for name in _REQUIRED if not headers.get(name)]
    if faults:
        return faults
    if headers["shop-client-key"] != client_key:
        faults.append("client key")
    if headers["accept"] != "application/json":
        faults.append("accept")
    if body and headers.get("content-type") != "application/json":
        faults.append("content type")
    stamp = headers["shop-timestamp"]
    if not stamp.isdigit() or abs(int(stamp) - now_s) > window_s:
        faults.append("timestamp")
    lines = [method.encode(), f"{scheme}://{headers['host']}{target}".encode(), body, stamp.encode()]
    if headers["shop-signature"] != _hmac(secret_key.encode(), b"\n".join(lines)):
        faults.append("signature")
    return faults


_REQUIRED = ("shop-client-key", "shop-timestamp", "shop-signature", "user-agent", "accept", "host")
