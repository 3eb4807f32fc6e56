"""An httpx transport to one address, through its proxy, that is made again when TLS files or the password change."""

from threading import Lock
from typing import Final

import httpx

from streams.http.egress import Egress
from streams.http.failures import connect_failure, tunnel_refusal
from streams.http.proxy import HttpProxy


class EgressTransport(httpx.BaseTransport):
    """For addresses to which requests are rare: it looks at the files before each. Thread-safe."""

    def __init__(self, egress: Egress, url: str) -> None:
        """``url``: of the address; only its scheme, host and port count."""
        parts = httpx.URL(url)
        self._egress = egress
        self._at: Final = f"{parts.host}:{parts.port or 443}"
        self._host = parts.host
        self._proxy = egress.proxy_to(parts.scheme, parts.host, parts.port or 443)
        self._lock = Lock()
        self._made_of: object = None
        self._inner = self._retired = httpx.HTTPTransport(verify=False, trust_env=False)  # replaced before its use

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self._current().handle_request(request)

    def why(self, error: httpx.RequestError) -> str:
        """Returns why a request failed, with " Remedy: " where one is known."""
        if isinstance(error, httpx.ProxyError) and self._proxy is not None:
            status, _, reason = str(error).partition(" ")
            return tunnel_refusal(self._proxy.at, self._at, int(status) if status.isdecimal() else 0, reason)
        text = connect_failure(error, self._host, self._egress.tls.files.ca)
        through = f"through the proxy {self._proxy.at}: " if self._proxy is not None else ""
        return through + (text or type(error).__name__)

    def close(self) -> None:
        self._inner.close()
        self._retired.close()

    def _current(self) -> httpx.HTTPTransport:
        with self._lock:
            context = self._egress.tls.current
            made_of = (context, self._proxy.authorization() if self._proxy is not None else None)
            if made_of != self._made_of:
                # The one before may still be used by another thread; it is closed at the next change.
                self._retired.close()
                self._retired, self._made_of = self._inner, made_of
                self._inner = httpx.HTTPTransport(
                    verify=context, trust_env=False, proxy=_of_httpx(self._proxy) if self._proxy is not None else None
                )
            return self._inner


def _of_httpx(proxy: HttpProxy) -> httpx.Proxy:
    credentials = (proxy.user, proxy.password()) if proxy.user else None
    return httpx.Proxy(f"http://{proxy.at}", auth=credentials)
