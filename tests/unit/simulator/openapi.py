"""Validates responses against the marketplace's OpenAPI document."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import orjson

from simulator.exchange import HttpRequest, HttpResponse
from simulator.routes import BASE_PATH

DATA = Path(__file__).parents[2] / "data" / "kaufland"


class NotAsDocumented(AssertionError):
    """A response that the document does not permit."""


@cache
def document() -> dict[str, Any]:
    """Returns the document 2.27.0 patched with the known parts of 2.44.0, as JSON Schema."""
    base = json.loads((DATA / "openapi.json").read_text("utf-8"))
    patch = json.loads((DATA / "openapi-2.44.0.merge-patch.json").read_text("utf-8"))
    merged: dict[str, Any] = _as_json_schema(_merged(base, patch))
    return merged


def _merged(base: Any, patch: Any) -> Any:
    """Applies a JSON Merge Patch (RFC 7396)."""
    if not isinstance(patch, dict):
        return patch
    result = dict(base) if isinstance(base, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = _merged(result.get(name), value)
    return result


def _as_json_schema(value: Any) -> Any:
    """Converts ``nullable`` of OpenAPI 3.0 to a union with null."""
    if isinstance(value, list):
        return [_as_json_schema(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    schema = {name: _as_json_schema(entry) for name, entry in value.items() if name != "nullable"}
    return {"anyOf": [schema, {"type": "null"}]} if value.get("nullable") is True else schema


@cache
def _validator(reference: str) -> jsonschema_rs.Draft202012Validator:
    schema = {"$ref": reference, "components": document()["components"]}
    return jsonschema_rs.Draft202012Validator(schema, validate_formats=True)


ERROR = "#/components/schemas/ErrorResponse"


def _described(request: HttpRequest) -> dict[str, Any]:
    """Returns the responses that the document lists for this method and path, by status."""
    inner = request.path.removeprefix(BASE_PATH).rstrip("/")
    paths = document()["paths"]
    item: dict[str, Any] = paths.get(inner) or next(
        (found for path, found in paths.items() if _pattern(path).fullmatch(inner)), {}
    )
    answers: dict[str, Any] = item.get(request.method.lower(), {}).get("responses", {})
    return answers


@cache
def _pattern(path: str) -> re.Pattern[str]:
    """Returns a pattern for a path such as ``/orders/{id_order}``."""
    return re.compile(re.sub(r"\{[^}]+\}", "[^/]+", path))


def inspect(request: HttpRequest, answer: HttpResponse) -> None:
    """Raises NotAsDocumented for an invalid response. A status that is not listed must be an error in the envelope."""
    described = _described(request).get(str(answer.status))
    if described is not None and "content" not in described:
        if answer.body:
            raise NotAsDocumented(f"{answer.status} has no body, not {answer.body!r}")
        return
    if described is None and answer.status < 400:
        raise NotAsDocumented(f"{request.method} {request.target} is not described to answer {answer.status}")
    reference = ERROR if described is None else described["content"]["application/json"]["schema"]["$ref"]
    errors = [str(error) for error in _validator(reference).iter_errors(orjson.loads(answer.body))]
    if errors:
        raise NotAsDocumented(f"{request.method} {request.target} {answer.status}: {errors[0]}")
