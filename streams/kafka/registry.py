"""A client of the schema registry's REST API (Confluent, Karapace, and Apicurio under ``/apis/ccompat/v7``).

``RegistryClient`` makes the requests; ``SchemaCache`` caches schemas for the decoders. If the registry does not answer,
``RegistryDown`` is raised and records wait. The same goes for an answer that is not from a registry, such as a proxy's
404. For rejected credentials (401, 403) ``RegistryDenied`` is raised, because waiting does not help.
"""

import threading
from collections.abc import Callable
from http import HTTPStatus
from types import TracebackType
from typing import Any, Final, Self, TypeVar
from urllib.parse import quote

import httpx

from streams.avro.codec import Absent
from streams.avro.compatibility import Level
from streams.clock import uptime_s
from streams.errors import RegistryDenied, RegistryDown, SchemaRefused, SchemaUnknown
from streams.http.egress import Egress
from streams.http.transport import EgressTransport
from streams.schema_registry import Registered

CONTENT_TYPE = "application/vnd.schemaregistry.v1+json"
_NOT_KNOWN = frozenset({40401, 40402, 40403, 40404, 40406, 40408})
"""Error codes for a missing subject, version or schema (also if deleted), or compatibility level of a subject."""


class RegistryClient:
    """A registry over HTTP (``streams.schema_registry.Registry``). Thread-safe.

    ``timeout_s`` limits the wait for a connection, and for each read of a response.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float = 5.0,
        transport: httpx.BaseTransport | None = None,
        egress: Egress | None = None,
        auth: httpx.Auth | None = None,
    ) -> None:
        """``egress`` None: a direct connection; ``auth`` None: user and password of the URL, if it has them."""
        self._egress: Final = _egress_transport(url, egress) if transport is None else None
        self._http: Final = httpx.Client(
            base_url=url.rstrip("/") + "/",
            timeout=timeout_s,
            trust_env=False,
            transport=transport or self._egress or httpx.HTTPTransport(verify=False, trust_env=False),
            auth=auth,
            headers={"Accept": f"{CONTENT_TYPE}, application/json", "Content-Type": CONTENT_TYPE},
        )

    def schema(self, schema_id: int) -> str:
        """Returns the text of a schema. Raises ``SchemaUnknown``."""
        # Not /schemas/ids/N/schema, which Apicurio does not have.
        return _text(self._known("GET", f"schemas/ids/{schema_id}"), "schema")

    def subjects(self) -> tuple[str, ...]:
        return tuple(_list(self._known("GET", "subjects"), str))

    def versions(self, subject: str) -> tuple[int, ...]:
        """Returns the versions of a subject, oldest first; empty if there is no such subject."""
        found = self._maybe("GET", f"subjects/{_part(subject)}/versions")
        return () if found is None else tuple(_list(found, int))

    def version(self, subject: str, version: int) -> Registered:
        """Returns one version of a subject. Raises ``SchemaUnknown``."""
        return _registered(self._known("GET", f"subjects/{_part(subject)}/versions/{version}"))

    def latest(self, subject: str) -> Registered | None:
        """Returns the newest version; None if there is no such subject."""
        found = self._maybe("GET", f"subjects/{_part(subject)}/versions/latest")
        return None if found is None else _registered(found)

    def find(self, subject: str, schema: str) -> Registered | None:
        """Returns the version that has this schema; None if it is not registered under the subject."""
        found = self._maybe("POST", f"subjects/{_part(subject)}", {"schema": schema})
        return None if found is None else _registered(found)

    def register(self, subject: str, schema: str) -> int:
        """Registers a schema (idempotent) and returns its id. Raises ``SchemaRefused`` with the registry's message."""
        body = self._known("POST", f"subjects/{_part(subject)}/versions", {"schema": schema})
        return _number(body, "id")

    def compatible(self, subject: str, schema: str) -> bool:
        """Whether the schema is compatible with the subject at its level; True for a new subject."""
        path = f"compatibility/subjects/{_part(subject)}/versions/latest"
        found = self._maybe("POST", path, {"schema": schema})
        return found is None or _value(found, "is_compatible", bool)

    def level(self, subject: str) -> Level | None:
        """Returns the subject's own compatibility level; None if it has none (Apicurio answers NONE then)."""
        found = self._maybe("GET", f"config/{_part(subject)}")
        return None if found is None else Level(_text(found, "compatibilityLevel"))

    def set_level(self, subject: str, level: Level) -> None:
        self._known("PUT", f"config/{_part(subject)}", {"compatibility": level.value})

    def close(self) -> None:
        """Safe to call twice."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _known(self, method: str, path: str, body: object = None) -> Any:
        found = self._maybe(method, path, body)
        if found is None:
            raise SchemaUnknown(f"the schema registry does not know {path}")
        return found

    def _maybe(self, method: str, path: str, body: object = None) -> Any | None:
        """Returns the response's JSON; None if the registry reports that the resource does not exist."""
        try:
            answer = self._http.request(method, path, json=body)
        except httpx.RequestError as error:
            reason = self._egress.why(error) if self._egress is not None else _reason(error)
            at = self._http.base_url.netloc.decode()  # without user and password
            raise RegistryDown(f"the schema registry does not answer at {at}: {reason}") from error
        return _read(answer, path)


def _egress_transport(url: str, egress: Egress | None) -> EgressTransport | None:
    """Returns the transport for https; plain http needs no certificates, which take a while to read."""
    if not url.lower().startswith("https:"):
        return None
    return EgressTransport(egress if egress is not None else Egress(), url)


def _reason(error: httpx.RequestError) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _read(answer: httpx.Response, path: str) -> Any | None:
    if answer.status_code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        raise RegistryDenied(_denied(answer, path))
    try:
        body = answer.json()
    except ValueError as error:
        raise RegistryDown(
            f"{path}: {answer.status_code} without JSON; is this the address of a schema registry?"
        ) from error
    if answer.is_success:
        return body
    code, message = (body.get("error_code"), body.get("message")) if isinstance(body, dict) else (None, None)
    if answer.status_code == HTTPStatus.NOT_FOUND and code in _NOT_KNOWN:
        return None
    if answer.status_code in (HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY):
        raise SchemaRefused(f"{path}: {message} ({code})")
    raise RegistryDown(f"{path}: the schema registry answers {answer.status_code}: {message}")


def _denied(answer: httpx.Response, path: str) -> str:
    """Returns the message for rejected credentials, without user and password."""
    at = answer.request.url.copy_with(username=None, password=None, path="/", query=None)
    if answer.status_code == HTTPStatus.UNAUTHORIZED:
        return (
            f"the schema registry at {at} refuses the credentials (401, {path}). Remedy: set user and password_file, "
            "token_file or oauth in [registry], or CONNECTOR__REGISTRY__URL to http://USER:PASSWORD@HOST"
        )
    return (
        f"the schema registry at {at} does not permit this user {answer.request.method} {path} (403). Remedy: "
        "allow it to this user, or set another one in [registry] or CONNECTOR__REGISTRY__URL"
    )


T = TypeVar("T")


def _registered(body: Any) -> Registered:
    return Registered(
        subject=_text(body, "subject"),
        id=_number(body, "id"),
        version=_number(body, "version"),
        schema=_text(body, "schema"),
    )


def _text(body: Any, name: str) -> str:
    return _value(body, name, str)


def _number(body: Any, name: str) -> int:
    return _value(body, name, int)


def _value(body: Any, name: str, kind: type[T]) -> T:
    """Returns a field of a response. Raises ``RegistryDown`` if it is missing: then no registry has answered."""
    value = body.get(name) if isinstance(body, dict) else None
    if not isinstance(value, kind):
        raise RegistryDown(f"the response has no {name}; is this the address of a schema registry?")
    return value


def _list(body: Any, kind: type[T]) -> list[T]:
    if not isinstance(body, list) or not all(isinstance(item, kind) for item in body):
        raise RegistryDown("the response is not a list; is this the address of a schema registry?")
    return body


def _part(subject: str) -> str:
    return quote(subject, safe="")


class SchemaCache:
    """Schemas by id, for decoders (``get``) and the worker that fetches missing ones (``fetch``). Thread-safe.

    A schema never changes, so it is cached for good. An unknown id is cached for ``unknown_s``: it may still be
    registered, or belong to a registry that is being restored.
    """

    def __init__(
        self, client: RegistryClient, *, unknown_s: float = 60.0, clock: Callable[[], float] = uptime_s
    ) -> None:
        self._client = client
        self._unknown_s = unknown_s
        self._clock = clock
        self._lock = threading.Lock()
        self._texts: dict[int, str] = {}
        self._unknown_until: dict[int, float] = {}

    def get(self, schema_id: int) -> str | Absent | None:
        """Returns a cached schema without blocking; None if it must be fetched first (``fetch``)."""
        with self._lock:
            text = self._texts.get(schema_id)
            if text is not None:
                return text
            until = self._unknown_until.get(schema_id)
        return Absent.ABSENT if until is not None and self._clock() < until else None

    def fetch(self, schema_id: int) -> None:
        """Fetches a schema into the cache. Blocks. Raises ``RegistryDown`` and ``RegistryDenied``."""
        try:
            text = self._client.schema(schema_id)
        except SchemaUnknown:
            with self._lock:
                self._drop_expired()
                self._unknown_until[schema_id] = self._clock() + self._unknown_s
            return
        self.add(schema_id, text)

    def add(self, schema_id: int, text: str) -> None:
        """Adds a known schema, so that it need not be fetched."""
        with self._lock:
            self._texts[schema_id] = text
            self._unknown_until.pop(schema_id, None)

    def _drop_expired(self) -> None:
        """Removes expired unknown ids: corrupt records may carry any number of them."""
        now = self._clock()
        self._unknown_until = {known: until for known, until in self._unknown_until.items() if until > now}
