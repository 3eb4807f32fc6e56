"""An HTTP/1.1 server on asyncio that delivers each response in the manner that a fault asks for.

It is not built on a web framework because the simulator must do what those prevent: truncated bodies, single bytes,
connection resets, no response after the work is done. h11 implements the protocol and ``api`` the rules.
"""

import asyncio
import contextlib
import socket
import struct
import time
from collections.abc import Callable
from email.utils import formatdate
from typing import Final, cast

import h11

from simulator.api import PlannedResponse, SellerApi
from simulator.clock import read_clocks
from simulator.control import PREFIX, Control
from simulator.exchange import HttpRequest, HttpResponse
from simulator.faults.mishaps import ApplyLate, Delay, Drip, Garble, HalfBody, LoseAnswer, Outage, Reset, Respond
from simulator.push.delivery import Pusher

Inspector = Callable[[HttpRequest, HttpResponse], None]
"""Called with every request and response of the API before the response is sent. Exceptions that it raises are
collected, and raised when the simulator closes."""

MAX_BODY_BYTES: Final = 4 * 1024 * 1024
_LINGER_RESET: Final = struct.pack("ii", 1, 0)
_ANSWERING: Final = frozenset({h11.SEND_RESPONSE, h11.SEND_BODY})
_NO_BODY: Final = frozenset({204, 304})


class Server:
    """Accepts connections and passes requests to the API or to the control endpoints. Bound to one event loop."""

    def __init__(self, api: SellerApi, control: Control, pusher: Pusher, *, inspector: Inspector | None = None) -> None:
        self.api = api
        self.control = control
        self.pusher = pusher
        self.complaints: list[Exception] = []
        self.is_closing = False
        self._inspector = inspector
        self._connections: set[ClientConnection] = set()
        self._deliveries: set[asyncio.Task[None]] = set()
        self._listener: asyncio.Server | None = None

    async def listen(self, host: str, port: int) -> int:
        """Starts listening and returns the port; port 0 = any free one. Raises OSError when it can't be bound."""
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(lambda: ClientConnection(self), host, port, backlog=1024)
        bound: int = self._listener.sockets[0].getsockname()[1]
        return bound

    async def close(self) -> None:
        """Stops listening and ends all connections and deliveries. May be called twice."""
        self.is_closing = True
        for connection in tuple(self._connections):
            connection.abort()
        for delivery in tuple(self._deliveries):
            delivery.cancel()
        # Let connections that are being accepted finish first: closing the listener would leave those open forever.
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.gather(*others, return_exceptions=True)
        if self._listener is not None:
            self._listener.close()
        while self._connections:
            await asyncio.sleep(0)

    def server_date(self) -> str:
        """Returns the value of the Date header, by the simulated server's clock."""
        return formatdate(time.time() + self.api.policy.clock_offset_s, usegmt=True)

    def inspect(self, request: HttpRequest, answer: HttpResponse) -> None:
        """Calls the inspector and collects the exception that it raises."""
        if self._inspector is None:
            return
        try:
            self._inspector(request, answer)
        except Exception as complaint:  # noqa: BLE001 - whatever the inspector finds is kept and raised at close
            self.complaints.append(complaint)

    def opened(self, connection: "ClientConnection") -> None:
        self._connections.add(connection)

    def closed(self, connection: "ClientConnection") -> None:
        self._connections.discard(connection)

    def deliver(self, delivery: "Delivery") -> None:
        """Runs a delivery in a task of its own; it completes even if its connection is closed earlier."""
        task = asyncio.get_running_loop().create_task(delivery.run())
        self._deliveries.add(task)
        task.add_done_callback(self._delivered)

    def _delivered(self, task: asyncio.Task[None]) -> None:
        self._deliveries.discard(task)
        if not task.cancelled() and isinstance(error := task.exception(), Exception):
            self.complaints.append(error)


class ClientConnection(asyncio.Protocol):
    """One client connection. Handles its requests one after another."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._http = h11.Connection(h11.SERVER)
        self._transport: asyncio.Transport | None = None
        self._peer = ("", 0)
        self._request: h11.Request | None = None
        self._body: list[bytes] = []
        self._body_bytes = 0

    # ---- asyncio.Protocol -------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._peer = transport.get_extra_info("peername")[:2]
        self._server.opened(self)
        if self._server.is_closing or self._server.api.faults.is_out(read_clocks().mono_us):
            self.reset()

    def data_received(self, data: bytes) -> None:
        self._receive(data)

    def eof_received(self) -> bool:
        self._receive(b"")
        return True  # keep the server's side open: a response may still be in progress

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's signature
        self._transport = None
        self._server.closed(self)

    @property
    def is_open(self) -> bool:
        return self._transport is not None

    # ---- requests ---------------------------------------------------------------------------------------------------

    def _receive(self, data: bytes) -> None:
        """Processes received bytes; b"" = end of stream. An exception is a bug in the simulator: it is raised when the
        simulator closes, and the caller gets a reset.
        """
        try:
            self._http.receive_data(data)
            self._advance()
        except Exception as mistake:  # noqa: BLE001 - a bug here; kept and raised at close
            self._server.complaints.append(mistake)
            self.reset()

    def _advance(self) -> None:
        """Processes events until more bytes are needed or a request is being answered."""
        while self._transport is not None:
            try:
                event = self._http.next_event()
            except h11.RemoteProtocolError as error:
                self._refuse(error.error_status_hint or 400)
                return
            if event is h11.NEED_DATA:
                self._invite()
                return
            if event is h11.PAUSED:
                return
            if isinstance(event, h11.ConnectionClosed):
                if self._http.our_state not in _ANSWERING:
                    self.end()
                return
            if not self._take(event):
                return

    def _take(self, event: object) -> bool:
        """Handles one event of a request. Returns False to stop reading."""
        if isinstance(event, h11.Request):
            self._request, self._body, self._body_bytes = event, [], 0
        elif isinstance(event, h11.Data):
            self._body_bytes += len(event.data)
            if self._body_bytes <= MAX_BODY_BYTES:
                self._body.append(bytes(event.data))
        elif isinstance(event, h11.EndOfMessage) and self._request is not None:
            if self._body_bytes > MAX_BODY_BYTES:
                self._refuse(413)
                return False
            self._answer(self._whole(self._request))
        return True

    def _invite(self) -> None:
        if self._http.they_are_waiting_for_100_continue:
            self.send(self._http.send(h11.InformationalResponse(status_code=100, headers=[])))

    def _whole(self, request: h11.Request) -> HttpRequest:
        return HttpRequest(
            method=request.method.decode("ascii"),
            target=request.target.decode("ascii"),
            headers={name.decode("latin-1"): value.decode("latin-1") for name, value in request.headers},
            body=b"".join(self._body),
            scheme=self._server.api.policy.scheme,
            peer_port=self._peer[1],
        )

    def _answer(self, request: HttpRequest) -> None:
        if request.path.startswith(PREFIX):
            self.send(self.head_and_body(self._server.control.answer(request, self._peer[0])))
            self.finish()
            return
        delivery = Delivery(self._server, self, request)
        if delivery.plan.mishap is None and delivery.plan.callback is None:
            delivery.at_once()
        else:
            self._server.deliver(delivery)

    def _refuse(self, status: int) -> None:
        """Answers a request that is not valid HTTP or too large, and closes. It is not recorded as a call."""
        with contextlib.suppress(h11.LocalProtocolError):  # a response has already been started: only close
            self.send(self.head_and_body(HttpResponse(status=status)))
        self.end()

    # ---- responses --------------------------------------------------------------------------------------------------

    def head_and_body(self, answer: HttpResponse) -> bytes:
        """Returns the response as bytes on the wire."""
        headers = [("Date", self._server.server_date())]
        if answer.body:
            headers.append(("Content-Type", answer.content_type))
        if answer.status not in _NO_BODY:
            headers.append(("Content-Length", str(len(answer.body))))
        head = self._http.send(h11.Response(status_code=answer.status, headers=[*headers, *answer.headers])) or b""
        body = self._http.send(h11.Data(data=answer.body)) or b"" if answer.body else b""
        return head + body

    def send(self, data: bytes | None) -> None:
        if self._transport is not None and data:
            self._transport.write(data)

    def finish(self) -> None:
        """Ends a complete response: prepares for the next request, or closes if the connection is not kept alive."""
        self.send(self._http.send(h11.EndOfMessage()))
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
        elif self._http.our_state is not h11.DONE:
            self.end()

    def resume(self) -> None:
        """Processes what was received while a response was being delivered."""
        self._advance()

    def end(self) -> None:
        """Closes the connection after flushing what was written."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def reset(self) -> None:
        """Resets the connection (TCP RST); unsent bytes are discarded."""
        if self._transport is not None:
            raw: socket.socket = self._transport.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_RESET)
            self._transport.abort()


class Delivery:
    """One call: plans its response, carries it out and delivers it."""

    def __init__(self, server: Server, connection: ClientConnection, request: HttpRequest) -> None:
        self.plan: PlannedResponse = server.api.arrive(request, read_clocks())
        self._server = server
        self._connection = connection
        self._request = request

    def at_once(self) -> None:
        """Delivers the response immediately, without any fault."""
        self._send_whole(self._settle())

    async def run(self) -> None:
        """Verifies the callback and delivers the response as the mishap asks for. The caller may disconnect at any
        time; changes that were made stay.
        """
        if self.plan.callback is not None:
            await self._server.pusher.verify(self.plan.callback)
        match self.plan.mishap:
            case Respond() as mishap:
                self._send_whole(mishap.answer())
            case Garble(body=body):
                self._send_whole(self._garbled(body))
            case Delay(wait_s=wait_s) | ApplyLate(after_s=wait_s):
                await asyncio.sleep(wait_s)
                self._send_whole(self._settle())
            case Drip() as mishap:
                await self._drip(mishap)
            case HalfBody(share=share):
                self._send_half(share)
            case LoseAnswer(reset=reset):
                self._settle()
                self._end_unanswered(reset=reset)
            case Reset() | Outage():
                self._end_unanswered(reset=True)
            case None:
                self.at_once()
        self._connection.resume()

    def _settle(self) -> HttpResponse:
        answer = self.plan.settle(read_clocks())
        self._server.inspect(self._request, answer)
        return answer

    def _garbled(self, body: str) -> HttpResponse:
        answer = self._settle()
        return HttpResponse(status=answer.status, body=body.encode(), item_statuses=answer.item_statuses)

    def _send_whole(self, answer: HttpResponse) -> None:
        self._connection.send(self._connection.head_and_body(answer))
        self._connection.finish()
        self._note(answer)

    def _send_half(self, share: float) -> None:
        answer = self._settle()
        whole = self._connection.head_and_body(answer)
        self._connection.send(whole[: len(whole) - len(answer.body) + int(len(answer.body) * share)])
        self._connection.end()
        self._note(answer)

    async def _drip(self, mishap: Drip) -> None:
        answer = self._settle()
        whole = self._connection.head_and_body(answer)
        for start in range(0, len(whole), mishap.bytes_at_once):
            if not self._connection.is_open:
                break
            self._connection.send(whole[start : start + mishap.bytes_at_once])
            await asyncio.sleep(mishap.interval_s)
        self._connection.finish()
        self._note(answer)

    def _end_unanswered(self, *, reset: bool) -> None:
        if reset:
            self._connection.reset()
        else:
            self._connection.end()
        self._server.api.recorder.over(self.plan.row, None, read_clocks().mono_us)

    def _note(self, answer: HttpResponse) -> None:
        self._server.api.recorder.over(self.plan.row, answer, read_clocks().mono_us)
