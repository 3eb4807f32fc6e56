"""The HTTP client of one account in one thread: signs a request when it is sent, sends it once, and never retries.

The signature covers the bytes on the wire: the auth object reads method, URI and body from the finished request.
"""

from collections.abc import Generator

import httpx

from connector.kaufland.http import signing
from connector.kaufland.http.address import Address
from connector.kaufland.http.credentials import Credentials
from connector.kaufland.http.exchange import ApiRequest, ApiResponse, Exchange, NotLeft, TransportFailure
from connector.kaufland.http.skew import SkewMeter
from connector.kaufland.http.transport import CallDeadlines, LeaseOver, Transport, Turn
from streams.http.egress import Egress
from streams.ports import Clock

MAX_ANSWER_BYTES = 8 * 1024 * 1024
"""The largest response body that is read. A page of 100 units with products, or a bulk response of 150 units, has a few
hundred kilobytes."""


class SignedAuth(httpx.Auth):
    """Adds the client key, timestamp and signature. The timestamp is the server's time once the skew is measured."""

    requires_request_body = True

    def __init__(self, credentials: Credentials, skew: SkewMeter, clock: Clock) -> None:
        self._credentials = credentials
        self._skew = skew
        self._clock = clock
        self.signed_at_s = 0

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        keys = self._credentials.current
        self.signed_at_s = int(self._skew.server_time_s(self._clock.now()))
        request.headers[signing.CLIENT_KEY_HEADER] = keys.client_key.reveal()
        request.headers[signing.TIMESTAMP_HEADER] = str(self.signed_at_s)
        request.headers[signing.SIGNATURE_HEADER] = signing.sign(
            keys.secret_key.reveal(),
            method=request.method,
            uri=_uri(request),
            body=request.content,
            timestamp_s=self.signed_at_s,
        )
        yield request


def _uri(request: httpx.Request) -> str:
    """Returns scheme, ``Host`` and request target exactly as they are on the wire."""
    url = request.url
    return f"{url.scheme}://{request.headers['host']}{url.raw_path.decode('ascii')}"


class Client:
    """An HTTP client for one account. Not thread-safe: one per account and thread. ``egress`` is shared by all."""

    def __init__(
        self,
        *,
        address: Address,
        credentials: Credentials,
        skew: SkewMeter,
        clock: Clock,
        egress: Egress,
        user_agent: str,
    ) -> None:
        self._base = address.base
        self._clock = clock
        self._skew = skew
        self._deadlines = CallDeadlines(clock)
        self._auth = SignedAuth(credentials, skew, clock)
        self._http = httpx.Client(
            transport=Transport(address, egress, self._deadlines),
            auth=self._auth,
            headers={"User-Agent": user_agent, "Accept": "application/json", "Accept-Encoding": "identity"},
            follow_redirects=False,
            trust_env=False,
        )

    def exchange(
        self, request: ApiRequest, *, send_by_s: float, give_up_at_s: float, turn: Turn | None = None
    ) -> Exchange:
        """Sends the request once and reads the response.

        The first byte is sent when ``turn`` allows it and by ``send_by_s``, and the exchange ends by ``give_up_at_s``
        (both on the monotonic clock). Raises only ForbiddenAddress.
        """
        began = self._clock.now()
        self._deadlines.begin(send_by_s=send_by_s, give_up_at_s=give_up_at_s, turn=turn)
        if began.mono_s > min(send_by_s, give_up_at_s):
            return Exchange(outcome=NotLeft(), began=began, sent=None, ended=began)
        outcome = self._send(request)
        sent = self._deadlines.sent
        ended = self._clock.now()
        if isinstance(outcome, ApiResponse) and sent is not None:
            self._skew.observe(outcome.headers, sent_s=sent.mono_s, answered_s=ended.mono_s)
        return Exchange(outcome=outcome, began=began, sent=sent, ended=ended)

    def _send(self, request: ApiRequest) -> ApiResponse | TransportFailure | NotLeft:
        headers = {"Content-Type": "application/json"} if request.body else {}
        built = self._http.build_request(
            request.method, self._base + request.target, headers=headers, content=request.body or None
        )
        try:
            answer = self._http.send(built, stream=True)
        except LeaseOver:
            return NotLeft()
        except httpx.TransportError as failed:
            # A protocol error may quote a header, so only the text of an error of connecting is kept.
            connecting = isinstance(failed, httpx.ConnectError | httpx.ConnectTimeout | httpx.ProxyError)
            text = str(failed) if connecting else ""
            return TransportFailure(error=type(failed).__name__, left=self._deadlines.sent is not None, text=text)
        try:
            return self._read(answer)
        finally:
            answer.close()

    def _read(self, answer: httpx.Response) -> ApiResponse:
        body = bytearray()
        cut: str | None = None
        try:
            for chunk in answer.iter_bytes():
                body += chunk
                if len(body) > MAX_ANSWER_BYTES:
                    cut = "TooLarge"
                    break
        except (httpx.TransportError, httpx.DecodingError) as failed:
            cut = type(failed).__name__
        return ApiResponse(
            status=answer.status_code,
            headers={name.lower(): value for name, value in answer.headers.items()},
            body=bytes(body) if cut is None else None,
            cut=cut,
            signed_at_s=self._auth.signed_at_s,
            wall_s=self._skew.server_time_s(self._clock.now()),
        )

    def close(self) -> None:
        """Closes the connection. Safe to call twice."""
        self._http.close()
