"""The API's own document, against which requests are validated."""

import json
from pathlib import Path
from typing import Any

import jsonschema_rs

DOCUMENT: dict[str, Any] = json.loads((Path(__file__).parents[3] / "data/kaufland/openapi.json").read_text())


def request_schema(name: str) -> Any:
    """Returns a validator for a schema of the API's document."""
    return jsonschema_rs.validator_for(
        {**DOCUMENT["components"]["schemas"][name], "components": DOCUMENT["components"]}
    )
