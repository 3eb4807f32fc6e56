"""A client of the API for tests, over real sockets, with an independent implementation of the signature."""

import hashlib
import hmac
import ssl
import time
from collections.abc import Mapping
from typing import Any

import httpx
import orjson

_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Not used for any connection; creating one for each client would take longer than the test."""


class SigningCaller:
    """One seller's client."""

    def __init__(self, base_url: str, client_key: str, secret_key: str, *, timeout_s: float = 120.0) -> None:
        self.base_url = base_url
        self.client_key = client_key
        self.secret_key = secret_key
        self._http = httpx.Client(timeout=timeout_s, trust_env=False, verify=_NO_TLS)

    def __enter__(self) -> "SigningCaller":
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        skew_s: float = 0.0,
        headers: Mapping[str, str] | None = None,
        drop: tuple[str, ...] = (),
        content: bytes | None = None,
    ) -> httpx.Response:
        """Sends a signed call. ``path`` is relative to the base path.

        ``body`` is sent as JSON, ``content`` as is. ``skew_s`` is added to the timestamp; ``drop``: headers to omit.
        """
        raw = content if content is not None else b"" if body is None else orjson.dumps(body)
        uri = f"{self.base_url}{path}"
        sent = self.signed(method, uri, raw, int(time.time() + skew_s)) | dict(headers or {})
        request = httpx.Request(
            method, uri, headers={name: value for name, value in sent.items() if name not in drop}, content=raw or None
        )
        for name in drop:
            request.headers.pop(name, None)
        return self._http.send(request)

    def signed(self, method: str, uri: str, raw: bytes, timestamp: int) -> dict[str, str]:
        """Returns the headers of a signed request."""
        text = f"{method}\n{uri}\n".encode() + raw + f"\n{timestamp}".encode()
        headers = {
            "Shop-Client-Key": self.client_key,
            "Shop-Timestamp": str(timestamp),
            "Shop-Signature": hmac.new(self.secret_key.encode(), text, hashlib.sha256).hexdigest(),
            "User-Agent": "tests/1.0",
            "Accept": "application/json",
        }
        return headers | ({"Content-Type": "application/json"} if raw else {})

    def bulk(self, items: list[dict[str, Any]], storefront: str = "de") -> httpx.Response:
        return self.call("POST", f"/units/bulk?storefront={storefront}", items)

    def patch(self, unit_id: int, change: dict[str, Any], storefront: str = "de") -> httpx.Response:
        return self.call("PATCH", f"/units/{unit_id}?storefront={storefront}", change)
