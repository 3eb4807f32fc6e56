"""Opens a tunnel through an HTTP proxy with CONNECT (RFC 9110, section 9.3.6) on a connected socket."""

import socket
from collections.abc import Callable
from typing import Final

import httpcore

from streams.http.failures import tunnel_refusal
from streams.http.proxy import HttpProxy

_MAX_HEAD_BYTES: Final = 16 * 1024
_END: Final = b"\r\n\r\n"


def open_tunnel(sock: socket.socket, proxy: HttpProxy, host: str, port: int, left_s: Callable[[], float]) -> None:
    """Returns when the proxy has opened the tunnel: what is written next goes to ``host``.

    ``left_s`` returns the time-out of the next operation, or raises. Raises httpcore.ProxyError for any other answer,
    and OSError.
    """
    sock.settimeout(left_s())
    sock.sendall(connect_request(proxy, host, port))
    head = bytearray()
    while _END not in head:
        sock.settimeout(left_s())
        chunk = sock.recv(4096)
        if not chunk or len(head) > _MAX_HEAD_BYTES:
            raise httpcore.ProxyError(f"the proxy {proxy.at} answers CONNECT with something other than HTTP")
        head += chunk
    refusal = refused(proxy, f"{host}:{port}", bytes(head))
    if refusal:
        raise httpcore.ProxyError(refusal)


def connect_request(proxy: HttpProxy, host: str, port: int) -> bytes:
    """Returns the request's bytes."""
    target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    credentials = proxy.authorization()
    lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
    lines += [f"Proxy-Authorization: {credentials}"] if credentials is not None else []
    return "\r\n".join([*lines, "", ""]).encode("ascii")


def refused(proxy: HttpProxy, target: str, head: bytes) -> str:
    """Returns why the answer with this head opens no tunnel; empty if it does. Repeats no header."""
    version, _, rest = head.partition(b"\r\n")[0].decode("latin-1").partition(" ")
    status, _, reason = rest.partition(" ")
    if not version.startswith("HTTP/1.") or len(status) != 3 or not (status.isascii() and status.isdigit()):
        return f"the proxy {proxy.at} answers CONNECT with something other than HTTP"
    if status.startswith("2"):
        return "" if head.endswith(_END) else f"the proxy {proxy.at} sends data before the tunnel is used"
    shown = "".join(sign for sign in reason[:80] if sign.isprintable())
    return tunnel_refusal(proxy.at, target, int(status), shown)
