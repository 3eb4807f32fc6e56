"""Access tokens by OAuth's client credentials grant (RFC 6749, section 4.4). Not pure: it asks the token endpoint."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from threading import Condition
from typing import Final
from urllib.parse import quote

import httpx

from streams.clock import uptime_s
from streams.errors import RegistryDenied, RegistryDown
from streams.http.address_secrets import without_secrets
from streams.http.egress import Egress
from streams.http.transport import EgressTransport

RENEW_AT: Final = 0.8
"""The part of a token's lifetime after which the next one is requested."""
RETRY_S: Final = 5.0
"""How long no token is requested while the endpoint is down: a token that is still valid is used, else the failure is
raised again at once."""
_UNSAID_S: Final = 300.0
"""The lifetime of a token whose answer has no ``expires_in``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthClient:
    """A client at a token endpoint. ``secret`` is called for each request: its file may have changed."""

    url: str
    client_id: str
    secret: Callable[[], str]
    scope: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Token:
    text: str
    renew_at_s: float
    expires_at_s: float


class OAuthTokens:
    """The current token of one client. Thread-safe.

    One thread at a time requests a token. Others use the last one while it is valid, or wait for that request and share
    its outcome: an endpoint that hangs holds each of them for one timeout, not one after the other.
    """

    def __init__(
        self,
        client: OAuthClient,
        egress: Egress,
        *,
        timeout_s: float = 5.0,
        learn: Callable[[Iterable[str]], None] = lambda _secrets: None,
        clock: Callable[[], float] = uptime_s,
    ) -> None:
        """``learn`` is given each token, to keep it out of logs."""
        self._client = client
        self._learn = learn
        self._clock = clock
        self._changed = Condition()
        self._is_requesting = False
        self._token: _Token | None = None
        self._failure: RegistryDown | None = None  # of the last request
        self._again_at_s = 0.0  # after a failure, when to request next
        self._transport = EgressTransport(egress, client.url)
        self._shown_url = without_secrets(client.url)
        self._http = httpx.Client(transport=self._transport, timeout=timeout_s, trust_env=False)

    def current(self) -> str:
        """Returns a token that has not expired. Blocks. Raises RegistryDown and RegistryDenied."""
        with self._changed:
            while True:
                now_s, token = self._clock(), self._token
                is_due = token is None or now_s >= token.renew_at_s
                if token is not None and (not is_due or (self._is_requesting and now_s < token.expires_at_s)):
                    return token.text
                if not self._is_requesting:
                    break
                self._changed.wait()
            if self._failure is not None and now_s < self._again_at_s:
                return self._despite(self._failure)
            self._is_requesting = True
        return self._renewed(now_s)

    def discard(self, text: str) -> None:
        """Forgets a token that was refused, unless it has been replaced already."""
        with self._changed:
            if self._token is not None and self._token.text == text:
                self._token = None

    def _renewed(self, now_s: float) -> str:
        """Requests a token; the lock is free meanwhile."""
        token, failure = None, None
        try:
            token = self._requested(now_s)
        except RegistryDown as error:
            failure = error
            return self._despite(error)
        except RegistryDenied as error:  # it came at once, and the secret may be corrected at any time
            return self._despite(error)
        else:
            return token.text
        finally:
            with self._changed:
                self._is_requesting = False
                self._failure = failure
                self._again_at_s = self._clock() + RETRY_S
                self._token = token or self._token
                self._changed.notify_all()

    def _despite(self, failure: RegistryDown | RegistryDenied) -> str:
        """Returns the last token while it is valid; otherwise raises the failure of the request for the next one."""
        if self._token is not None and self._clock() < self._token.expires_at_s:
            return self._token.text
        raise type(failure)(*failure.args) from None

    def close(self) -> None:
        self._http.close()

    def _requested(self, now_s: float) -> _Token:
        client = self._client
        form = {"grant_type": "client_credentials", **({"scope": client.scope} if client.scope else {})}
        # RFC 6749, section 2.3.1: both parts are form-encoded before they are joined
        pair = quote(client.client_id, safe=""), quote(client.secret(), safe="")
        try:
            # the next request is an hour away: the connection is not kept
            headers = {"Accept": "application/json", "Connection": "close"}
            answer = self._http.post(client.url, data=form, auth=pair, headers=headers)
        except httpx.RequestError as error:
            raise RegistryDown(
                f"the token endpoint {self._shown_url} does not answer: {self._transport.why(error)}"
            ) from None
        return self._read(answer, now_s)

    def _read(self, answer: httpx.Response, now_s: float) -> _Token:
        url, body = self._shown_url, _object(answer)
        if answer.status_code in (400, 401, 403):
            raise RegistryDenied(
                f"the token endpoint {url} refuses client_id {self._client.client_id} ({answer.status_code}, "
                f"{body.get('error', 'no reason')}). Remedy: check client_id, client_secret_file and scope in "
                "[registry.oauth]"
            )
        text, lifetime = body.get("access_token"), body.get("expires_in", _UNSAID_S)
        if not answer.is_success or not isinstance(text, str) or not is_token(text):
            raise RegistryDown(f"the token endpoint {url} answers {answer.status_code} without an access token")
        self._learn([text])
        lifetime_s = _seconds(lifetime)
        return _Token(text=text, renew_at_s=now_s + RENEW_AT * lifetime_s, expires_at_s=now_s + lifetime_s)


def is_token(text: str) -> bool:
    """Whether a text can be a token in a header: visible ASCII characters (RFC 6749, appendix A.12)."""
    return text.isascii() and text.isprintable() and text != "" and " " not in text


def _object(answer: httpx.Response) -> dict[str, object]:
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _seconds(lifetime: object) -> float:
    """Returns a lifetime in seconds; some endpoints write the number as text."""
    try:
        return max(0.0, float(str(lifetime)))
    except ValueError:
        return _UNSAID_S
