"""The web server behind health pages, console and push notifications."""

import socket

from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from connector.web_server import KEEP_ALIVE_S, WebServer

SCRAPE_INTERVAL_S = 60  # the default of Prometheus


def answer(request: Request) -> PlainTextResponse:
    return PlainTextResponse("here")


def asked(connection: socket.socket) -> bytes:
    """Sends a request, and returns the whole response, which may come in pieces."""
    connection.sendall(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
    response = b""
    while not response.endswith(b"here") and (piece := connection.recv(4096)):
        response += piece
    return response


def test_a_connection_stays_open_between_requests() -> None:
    with (
        WebServer([Route("/", answer)], host="127.0.0.1", port=0, name="web") as server,
        socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection,
    ):
        assert asked(connection).startswith(b"HTTP/1.1 200")
        assert asked(connection).startswith(b"HTTP/1.1 200")


def test_a_connection_is_closed_once_it_was_idle_for_the_time_given() -> None:
    with (
        WebServer([Route("/", answer)], host="127.0.0.1", port=0, name="web", keep_alive_s=1) as server,
        socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection,
    ):
        assert asked(connection).startswith(b"HTTP/1.1 200")
        assert connection.recv(1) == b"", "closed by the server"


def test_an_idle_connection_outlives_the_interval_of_a_scrape() -> None:
    assert KEEP_ALIVE_S > SCRAPE_INTERVAL_S
