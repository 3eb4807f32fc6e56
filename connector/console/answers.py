"""The answers of the health pages, as a process and the parent of several give them."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from starlette.responses import Response


def live(reasons: Sequence[str]) -> Response:
    """Returns the answer of ``/livez``: 200, or 503 with the reasons."""
    return _checked({"live": not reasons, "reasons": list(reasons)}, reasons)


def ready(reasons: Sequence[str], warnings: Sequence[str]) -> Response:
    """Returns the answer of ``/readyz``: 200, or 503 with the reasons; warnings do not count."""
    return _checked({"ready": not reasons, "reasons": list(reasons), "warnings": list(warnings)}, reasons)


def status(content: Mapping[str, Any]) -> Response:
    """Returns the answer of ``/status``."""
    return _json(content, 200)


def metrics(exposition: bytes) -> Response:
    """Returns the answer of ``/metrics``, in Prometheus' text format."""
    return Response(exposition, media_type="text/plain; version=0.0.4; charset=utf-8")


def _checked(content: Mapping[str, Any], reasons: Sequence[str]) -> Response:
    return _json(content, 503 if reasons else 200)


def _json(content: Mapping[str, Any], code: int) -> Response:
    body = orjson.dumps(dict(content), default=str, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS)
    return Response(body, status_code=code, media_type="application/json")
