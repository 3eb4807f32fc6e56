"""Messages about configuration problems: the setting, the value that was found and what was expected. Pure.

A value is repeated only if it cannot be a secret.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from streams.http.address_secrets import without_secrets

SECRET_NAME = re.compile(r"secret|password|passwd|token|credential|client_key|\.pem$|sasl\.jaas", re.IGNORECASE)
"""Matches the names of settings and librdkafka properties whose values are never printed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsProblem:
    """One problem, printed as one line."""

    setting: str
    message: str

    def __str__(self) -> str:
        return f"{self.setting}: {self.message}"


def is_secret(setting: str) -> bool:
    """Whether a setting's value must not be printed.

    A ``_file`` setting only names the file with the secret, and a ``.url`` of librdkafka an address, such as that of a
    token endpoint.
    """
    return bool(SECRET_NAME.search(setting)) and not setting.endswith(("_file", ".url"))


def of_validation(error: ValidationError, section: type[BaseModel], path: Sequence[str]) -> Iterator[SettingsProblem]:
    """Yields every problem that pydantic found in one table of the file."""
    for row in error.errors(include_url=False):
        setting = ".".join([*path, *(str(part) for part in row["loc"])])
        yield SettingsProblem(setting=setting, message=_message_of(setting, dict(row), section))


def unknown(name: str, known: Sequence[str]) -> str:
    """Returns the message for an unknown setting, with a suggestion."""
    near = get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known here: {', '.join(sorted(known))}"
    return f"is not a setting; {hint}"


def _message_of(setting: str, row: Mapping[str, Any], section: type[BaseModel]) -> str:
    """Describes a problem: the value found, what is expected, and the meaning of the setting."""
    fields = _fields_at(section, row["loc"][:-1])
    name = str(row["loc"][-1]) if row["loc"] else ""
    if row["type"] == "extra_forbidden":
        return unknown(name, list(fields))
    meaning = " ".join((fields[name].description or "").split()) if name in fields else ""
    if row["type"] == "missing":
        return f"is missing. {meaning}".strip()
    return f"{_found(setting, row['input'])}{_expected(row)}. {meaning}".strip()


def _found(setting: str, value: Any) -> str:
    """Returns the value as it is repeated; "" if it is a secret, or a table that may hold one."""
    if is_secret(setting) or (str(value).startswith("{") and SECRET_NAME.search(str(value))):
        return ""
    return f"{(without_secrets(value) if isinstance(value, str) else value)!r}: "


def _expected(row: Mapping[str, Any]) -> str:
    message = str(row["msg"]).removeprefix("Value error, ")
    if row["type"] == "string_pattern_mismatch":
        return f"expected the form {row['ctx']['pattern']}"
    return message.replace("Input should", "should")


def row_of(annotation: Any) -> Any:
    """Returns the type of one table if the setting is a list of tables, else the setting's own type."""
    return get_args(annotation)[0] if get_origin(annotation) is tuple else annotation


def _fields_at(section: type[BaseModel], loc: Sequence[int | str]) -> Mapping[str, Any]:
    """Returns the known fields of the table that contains the setting at ``loc``."""
    for part in loc:
        if isinstance(part, int):  # an index into a list of tables
            continue
        field = section.model_fields.get(part)
        inner = row_of(field.annotation) if field is not None else None
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            break
        section = inner
    return section.model_fields
