"""An embedded schema registry that speaks the Confluent REST API on 127.0.0.1. It forgets everything when it ends.

Avro without references; no security. In a thread of the process that holds it, or by itself:
``python -m devstack.embedded_registry --port 8081``.
"""

import argparse
import asyncio
import json
import socket
import threading
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Final, Self, TypeAlias

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from devstack.schema_store import MODES, RegistryError, SchemaStore, Version
from streams.avro.compatibility import Level
from streams.kafka.registry import CONTENT_TYPE

Body: TypeAlias = dict[str, Any]
Action: TypeAlias = Callable[["_Ask"], object]


class EmbeddedRegistry:
    """A running registry. Use it as a context manager, or call ``close``."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """``port`` 0 = any free one. Raises OSError when the port can't be bound."""
        self._socket = _listening(host, port)
        self.url: Final = f"http://{host}:{self._socket.getsockname()[1]}"
        config = uvicorn.Config(application(SchemaStore()), log_config=None, lifespan="off", ws="none")
        self._server = _Server(config)
        self._thread = threading.Thread(target=self._serve, name="embedded-registry", daemon=True)
        self._thread.start()
        self._server.listening.wait()

    def close(self) -> None:
        """Stops the server. May be called twice."""
        self._server.should_exit = True
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _serve(self) -> None:
        try:
            asyncio.run(self._server.serve(sockets=[self._socket]))
        finally:
            self._server.listening.set()  # also if the server failed: then the first request to it fails
            self._socket.close()


def _listening(host: str, port: int) -> socket.socket:
    # asyncio disables Nagle's algorithm only for IPPROTO_TCP, not for protocol 0: each response would take 40 ms longer
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    listener.listen()
    return listener


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()


# ---- the API --------------------------------------------------------------------------------------------------------


class _Ask:
    """One request: the store, the path parameters, the query and the body."""

    def __init__(self, store: SchemaStore, request: Request, body: Body) -> None:
        self.store = store
        self._request = request
        self.body = body

    def part(self, name: str) -> str:
        return str(self._request.path_params[name])

    @property
    def subject(self) -> str:
        return self.part("subject")

    def flag(self, name: str) -> bool:
        return self._request.query_params.get(name, "").lower() == "true"

    @property
    def schema(self) -> str:
        """Returns the schema in the body. Raises RegistryError for a schema type other than Avro."""
        text, kind = self.body.get("schema"), self.body.get("schemaType", "AVRO")
        if kind != "AVRO":
            raise RegistryError(42201, f"Invalid schema type {kind}: only AVRO is known here")
        if self.body.get("references"):
            raise RegistryError(42201, "Invalid schema: references are not known here")
        if not isinstance(text, str):
            raise RegistryError(42201, "Invalid schema: the body has no schema")
        return text


def application(store: SchemaStore) -> Starlette:
    """Returns the HTTP API of a store. The store is used only in the server's thread."""
    return Starlette(
        routes=[Route(path, _endpoint(store, action), methods=[method]) for (method, path), action in _ACTIONS.items()],
        exception_handlers={404: _not_found, 405: _not_found},
    )


def _endpoint(store: SchemaStore, action: Action) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        try:
            return _json(200, action(_Ask(store, request, await _body(request))))
        except RegistryError as refused:
            return _json(refused.status, {"error_code": refused.code, "message": refused.message})

    return answer


async def _body(request: Request) -> Body:
    raw = await request.body()
    if not raw:
        return {}
    try:
        body = json.loads(raw)
    except ValueError as error:
        raise RegistryError(400, f"Unreadable JSON: {error}") from error
    if not isinstance(body, dict):
        raise RegistryError(400, "Unreadable JSON: an object is expected")
    return body


async def _not_found(_: Request, error: Exception) -> Response:
    status: int = getattr(error, "status_code", 404)
    return _json(status, {"error_code": status, "message": f"HTTP {status}"})


def _json(status: int, body: object) -> Response:
    return Response(json.dumps(body), status_code=status, media_type=CONTENT_TYPE)


def _described(version: Version) -> Body:
    return {"subject": version.subject, "version": version.version, "id": version.id, "schema": version.text}


def _by_id(ask: _Ask) -> str:
    known = ask.part("id")
    return ask.store.text(int(known) if known.isascii() and known.isdigit() else -1)


def _uses(ask: _Ask) -> list[Body]:
    _by_id(ask)
    return [{"subject": subject, "version": version} for subject, version in ask.store.uses(int(ask.part("id")))]


def _version(ask: _Ask) -> Version:
    return ask.store.version(ask.subject, ask.part("version"), deleted=ask.flag("deleted"))


def _compatible(ask: _Ask, wanted: str | None) -> Body:
    found = ask.store.incompatibilities(ask.subject, ask.schema, wanted)
    messages = {"messages": found} if ask.flag("verbose") else {}
    return {"is_compatible": not found, **messages}


def _level_of(ask: _Ask) -> Body:
    if ask.subject in ask.store.levels or ask.flag("defaultToGlobal"):
        return {"compatibilityLevel": ask.store.level(ask.subject).value}
    raise RegistryError(40408, f"Subject '{ask.subject}' does not have subject-level compatibility configured")


def _wanted_level(ask: _Ask) -> Level:
    try:
        return Level(str(ask.body.get("compatibility")))
    except ValueError:
        choices = ", ".join(level.value for level in Level)
        raise RegistryError(42203, f"Invalid compatibility level. Valid values are {choices}") from None


def _set_default_level(ask: _Ask) -> Body:
    ask.store.default_level = _wanted_level(ask)
    return {"compatibility": ask.store.default_level.value}


def _set_level(ask: _Ask) -> Body:
    level = ask.store.levels[ask.subject] = _wanted_level(ask)
    return {"compatibility": level.value}


def _unset_level(ask: _Ask) -> Body:
    old = ask.store.levels.pop(ask.subject, None)
    if old is None:
        raise RegistryError(40401, f"Subject '{ask.subject}' not found.")
    return {"compatibilityLevel": old.value}


def _mode_of(ask: _Ask) -> Body:
    if ask.subject in ask.store.modes or ask.flag("defaultToGlobal"):
        return {"mode": ask.store.modes.get(ask.subject, ask.store.default_mode)}
    raise RegistryError(40409, f"Subject '{ask.subject}' does not have subject-level mode configured")


def _wanted_mode(ask: _Ask) -> str:
    mode = ask.body.get("mode")
    if mode not in MODES:
        raise RegistryError(42204, f"Invalid mode. Valid values are {', '.join(sorted(MODES))}")
    return str(mode)


def _set_default_mode(ask: _Ask) -> Body:
    ask.store.default_mode = _wanted_mode(ask)
    return {"mode": ask.store.default_mode}


def _set_mode(ask: _Ask) -> Body:
    mode = ask.store.modes[ask.subject] = _wanted_mode(ask)
    return {"mode": mode}


_SUBJECT = "/subjects/{subject}"
_ONE = _SUBJECT + "/versions/{version}"
_COMPATIBILITY = "/compatibility/subjects/{subject}/versions"

_ACTIONS: Final[dict[tuple[str, str], Action]] = {
    ("GET", "/"): lambda _: {},
    ("GET", "/schemas/types"): lambda _: ["AVRO"],
    ("GET", "/schemas/ids/{id}"): lambda ask: {"schema": _by_id(ask)},
    ("GET", "/schemas/ids/{id}/schema"): lambda ask: json.loads(_by_id(ask)),
    ("GET", "/schemas/ids/{id}/versions"): _uses,
    ("GET", "/subjects"): lambda ask: ask.store.subjects(deleted=ask.flag("deleted")),
    ("POST", _SUBJECT): lambda ask: _described(ask.store.find(ask.subject, ask.schema)),
    ("DELETE", _SUBJECT): lambda ask: ask.store.delete_subject(ask.subject, permanent=ask.flag("permanent")),
    ("GET", _SUBJECT + "/versions"): lambda ask: ask.store.versions(ask.subject, deleted=ask.flag("deleted")),
    ("POST", _SUBJECT + "/versions"): lambda ask: {"id": ask.store.register(ask.subject, ask.schema)},
    ("GET", _ONE): lambda ask: _described(_version(ask)),
    ("GET", _ONE + "/schema"): lambda ask: json.loads(_version(ask).text),
    ("DELETE", _ONE): lambda ask: ask.store.delete_version(
        ask.subject, ask.part("version"), permanent=ask.flag("permanent")
    ),
    ("POST", _COMPATIBILITY): lambda ask: _compatible(ask, None),
    ("POST", _COMPATIBILITY + "/{version}"): lambda ask: _compatible(ask, ask.part("version")),
    ("GET", "/config"): lambda ask: {"compatibilityLevel": ask.store.default_level.value},
    ("PUT", "/config"): _set_default_level,
    ("GET", "/config/{subject}"): _level_of,
    ("PUT", "/config/{subject}"): _set_level,
    ("DELETE", "/config/{subject}"): _unset_level,
    ("GET", "/mode"): lambda ask: {"mode": ask.store.default_mode},
    ("PUT", "/mode"): _set_default_mode,
    ("GET", "/mode/{subject}"): _mode_of,
    ("PUT", "/mode/{subject}"): _set_mode,
}


def main(arguments: list[str] | None = None) -> None:
    """Serves until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m devstack.embedded_registry", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8081)
    chosen = parser.parse_args(arguments)
    uvicorn.run(application(SchemaStore()), host=chosen.host, port=chosen.port, log_level="warning")


if __name__ == "__main__":
    main()
