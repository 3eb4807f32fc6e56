"""The certificates of ``tests/data/tls``, and TLS contexts of servers that show them."""

import ssl
from pathlib import Path
from typing import Final

_FOLDER: Final = Path(__file__).parents[1] / "data/tls"
CA: Final = _FOLDER / "ca.pem"
OTHER_CA: Final = _FOLDER / "other-ca.pem"
CLIENT: Final = _FOLDER / "client.pem"


def serving(name: str = "server", *, clients: Path | None = None) -> ssl.SSLContext:
    """Returns a server's context. ``name``: server, expired or other-name; ``clients``: the CA of those let in."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_FOLDER / f"{name}.pem")
    if clients is not None:
        context.load_verify_locations(clients)
        context.verify_mode = ssl.CERT_REQUIRED
    return context
