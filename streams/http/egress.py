"""How HTTP clients leave this machine: the TLS context, and the proxy to each address. Holds files' contents."""

from dataclasses import dataclass, field

from streams.http.proxy import HttpProxy, NoProxy
from streams.http.tls import TlsContext


@dataclass(frozen=True, slots=True, kw_only=True)
class Egress:
    """One for each set of TLS files. Without arguments: direct connections, with the shipped CA certificates."""

    tls: TlsContext = field(default_factory=TlsContext)
    proxy: HttpProxy | None = None
    no_proxy: NoProxy = field(default_factory=NoProxy)

    def proxy_to(self, scheme: str, host: str, port: int) -> HttpProxy | None:
        """Returns the proxy to an address, or None if it is reached directly, as plain http always is."""
        if self.proxy is None or scheme != "https" or self.no_proxy.covers(host, port):
            return None
        return self.proxy
