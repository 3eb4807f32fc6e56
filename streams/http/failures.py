"""Says in a sentence why a connection failed, and what to do. Not pure: it knows the exceptions of sockets and TLS."""

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_EXPIRED: Final = 10
_NOT_YET_VALID: Final = 9
_OTHER_NAME: Final = frozenset({62, 64})
_UNTRUSTED: Final = frozenset({2, 18, 19, 20, 21})
"""X509_V_ERR_* of OpenSSL (x509_vfy.h)."""


def connect_failure(error: BaseException, host: str, ca: Path | None) -> str:
    """Returns what happened, and the remedy after " Remedy: " where one is known.

    ``host``: to whom the connection was to be made; ``ca``: the file of CA certificates, None = the shipped ones.
    """
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _of_certificate(cause, host, ca)
        if isinstance(cause, ssl.SSLError):
            return _of_tls(cause, host)
        if isinstance(cause, socket.gaierror):
            return (
                f"the name {host} is not resolved ({cause.strerror}). Remedy: check the name, and DNS on this machine"
            )
    return str(error)


def tunnel_refusal(proxy: str, target: str, status: int, reason: str) -> str:
    """Returns why a proxy opened no tunnel: the status of its answer to CONNECT, with a remedy."""
    if status == 407:
        return (
            f"the proxy {proxy} asks for a user and a password, or refuses those it got (407). Remedy: set proxy_user "
            "and proxy_password_file in [http], or both in the URL of the environment"
        )
    told = f"{status} {reason}".strip()
    return (
        f"the proxy {proxy} refuses a tunnel to {target} ({told}). Remedy: allow this address on the proxy, or name "
        "the host in [http] no_proxy if it is reached without"
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yields an exception and what caused it, outermost first."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__


def _of_certificate(error: ssl.SSLCertVerificationError, host: str, ca: Path | None) -> str:
    if error.verify_code == _EXPIRED:
        return f"the certificate of {host} has expired. Remedy: renew it there; check this machine's clock"
    if error.verify_code == _NOT_YET_VALID:
        return f"the certificate of {host} is not valid yet. Remedy: check this machine's clock"
    if error.verify_code in _OTHER_NAME:
        return (
            f"the certificate of {host} is for another host name ({error.verify_message}). Remedy: use the name that "
            "it is for; check that no other server answers there"
        )
    if error.verify_code in _UNTRUSTED:
        trusted = f"the CA certificates in {ca}" if ca is not None else "the shipped CA certificates"
        return (
            f"the certificate of {host} is signed by none of {trusted} ({error.verify_message}). Remedy: name a file "
            "with its CA's certificate as ca_file in [http] or [registry], or in SSL_CERT_FILE"
        )
    return f"the certificate of {host} is refused: {error.verify_message}"


def _of_tls(error: ssl.SSLError, host: str) -> str:
    reason = (error.reason or str(error)).replace("_", " ").lower()
    if "alert" in reason and ("certificate" in reason or "unknown ca" in reason):
        return (
            f"{host} refuses this client's certificate, or wants one ({reason}). Remedy: check "
            "client_certificate_file and client_key_file"
        )
    return f"the TLS handshake with {host} failed: {reason}. Remedy: check that the address is one for https"
