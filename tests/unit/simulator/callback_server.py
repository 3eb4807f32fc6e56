"""A callback server for tests: records the messages it receives, and responds as configured."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedMessage:
    """A message as received."""

    headers: dict[str, str]  # names in lower case
    body: bytes

    @property
    def message(self) -> Any:
        return orjson.loads(self.body)


class CallbackServer:
    """``status`` is the response to messages; ``answer_challenge`` returns that to a challenge. A context manager."""

    def __init__(self) -> None:
        self.status = 200
        self.answer_challenge: Callable[[str], tuple[int, str]] = lambda challenge: (200, challenge)
        self.received: list[ReceivedMessage] = []
        self.modes: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/push?account=demo"

    def __enter__(self) -> "CallbackServer":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        subscriber = self

        class CallbackHandler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked = parse_qs(urlsplit(self.path).query)
                subscriber.modes += asked["mode"] + asked.get("account", [])
                self._answer(*subscriber.answer_challenge(asked["challenge"][0]))

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                subscriber.received.append(ReceivedMessage(headers=headers, body=body))
                self._answer(subscriber.status, "")

            def _answer(self, status: int, text: str) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_: object) -> None:
                pass

        return CallbackHandler
