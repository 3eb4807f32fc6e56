"""The HTTP server for the marketplace's notifications: ``GET`` and ``POST`` ``/<account>``. Edge.

Runs in two threads of its own, which do not use the engine. Requests are answered before the poll is triggered, since
the marketplace redelivers a notification that is not answered within seconds.
"""

import threading
from collections.abc import Callable, Mapping
from typing import Final

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from connector.kaufland.push.notifications import MAX_BODY_BYTES, NotificationOutcome, NotificationReceiver, PushAccount
from connector.web_server import WebServer
from streams.clock import uptime_s
from streams.errors import StreamError

_log = structlog.get_logger("connector")
_STOP_S: Final = 5.0
_STATUS: Final[Mapping[NotificationOutcome, int]] = {
    NotificationOutcome.ACCEPTED: 200,
    NotificationOutcome.REPEATED: 200,
    NotificationOutcome.REFUSED: 401,
    NotificationOutcome.UNREADABLE: 400,
    NotificationOutcome.UNKNOWN_ACCOUNT: 404,
}


class PollTrigger:
    """Triggers a poll of an account at most once per ``spacing_s``; requests in between are merged into one at its end.

    ``poll`` triggers it; it may block. If it raises StreamError, it is called again after ``spacing_s``.
    """

    def __init__(self, poll: Callable[[str], None], *, spacing_s: float = 5.0) -> None:
        self._poll = poll
        self._spacing_s = spacing_s
        self._due_s: dict[str, float] = {}
        self._polled_s: dict[str, float] = {}
        self._changed = threading.Condition()
        self._open = True
        self._thread = threading.Thread(target=self._work, name="poll-trigger", daemon=True)
        self._thread.start()

    def request(self, account: str) -> None:
        """Requests a poll of an account and returns immediately."""
        with self._changed:
            last_s = self._polled_s.get(account)
            now_s = uptime_s()
            self._due_s.setdefault(account, now_s if last_s is None else max(now_s, last_s + self._spacing_s))
            self._changed.notify()

    def close(self) -> None:
        """Stops the thread and drops pending requests: scheduled polls cover them. Safe to call twice."""
        with self._changed:
            self._open = False
            self._changed.notify()
        self._thread.join(_STOP_S)

    def _work(self) -> None:
        while (account := self._next()) is not None:
            try:
                self._poll(account)
            except StreamError as failed:
                _log.warning("push could not trigger a poll", account=account, reason=str(failed))
                with self._changed:
                    self._due_s.setdefault(account, uptime_s() + self._spacing_s)

    def _next(self) -> str | None:
        """Waits for the next account that is due; None once the trigger is closed."""
        with self._changed:
            while self._open:
                now_s = uptime_s()
                account = min(self._due_s, key=lambda name: self._due_s[name], default=None)
                if account is not None and self._due_s[account] <= now_s:
                    del self._due_s[account]
                    self._polled_s[account] = now_s
                    return account
                self._changed.wait(None if account is None else self._due_s[account] - now_s)
        return None


class PushServer(WebServer):
    """Listens as soon as it is constructed; the constructor raises OSError if the port is in use."""

    def __init__(
        self, subscribers: Mapping[str, PushAccount], *, host: str, port: int, poll: Callable[[str], None]
    ) -> None:
        self._receiver = NotificationReceiver(subscribers)
        routes = [
            Route("/{account}", self._challenged, methods=["GET"]),
            Route("/{account}", self._notified, methods=["POST"]),
        ]
        self._trigger = PollTrigger(poll)
        try:
            super().__init__(routes, host=host, port=port, name="push")
        except OSError:
            self._trigger.close()
            raise

    def close(self) -> None:
        """Stops the server and its poll trigger. Safe to call twice."""
        super().close()
        self._trigger.close()

    async def _challenged(self, request: Request) -> Response:
        query = request.query_params
        response = self._receiver.challenge(request.path_params["account"], query.get("mode"), query.get("challenge"))
        if response is None:
            return Response(status_code=404)
        return PlainTextResponse(response, headers={"X-Content-Type-Options": "nosniff"})

    async def _notified(self, request: Request) -> Response:
        body = bytearray()
        try:
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    return Response(status_code=413)
        except ClientDisconnect:
            return Response(status_code=400)
        account = request.path_params["account"]
        outcome = self._receiver.notified(account, dict(request.headers), bytes(body))
        if outcome is NotificationOutcome.ACCEPTED:
            self._trigger.request(account)
        elif outcome in (NotificationOutcome.REFUSED, NotificationOutcome.UNREADABLE):
            _log.warning("push message refused", account=account, outcome=outcome.value)
        return Response(status_code=_STATUS[outcome])
