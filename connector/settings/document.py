"""Generates the page of all settings from the model.

``docs/settings.md`` is printed from here: ``python -m connector.settings.document > docs/settings.md``. Pure.
"""

import sys
from collections.abc import Iterator
from enum import Enum
from typing import Any, get_args

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from connector.settings.duration import is_duration, written
from connector.settings.model import TABLES_BY_NAME, Settings, SettingsSection
from connector.settings.problems import row_of

_HEAD = """\
# Settings

One TOML file, named by `--config` or `CONNECTOR_CONFIG`. The environment overrides it: `CONNECTOR__KAFKA__GROUP` is
`[kafka] group`, `CONNECTOR__ACCOUNTS__MAIN__SECRET_KEY` a key of `[accounts.main]`. Durations are written `250ms`,
`60s`, `6h`, `7d`, `inf`.

**Secrets.** The connector reads them and writes them nowhere. Let a secret store (Vault, a cloud's secret manager,
Kubernetes or Docker secrets) put each into a file that only the connector's user may read, and name that file:
`client_key_file`, `secret_key_file`, and for the broker `[kafka.properties_from_files]`. Such a store keeps them
encrypted at rest; a rotated key is picked up from its file without a restart.

**Bodies of calls** are logged only while `[log] bodies_until` lies ahead, at most for an hour: the row of a full bulk
call grows from 7 KB to 115 KB, which at 98 calls a second is 11 MB/s more for the broker.
"""


def document() -> str:
    """Returns the content of docs/settings.md."""
    return "\n".join(
        [_HEAD, *(line for name, field in Settings.model_fields.items() for line in _section(name, field))]
    )


def _section(name: str, field: FieldInfo) -> Iterator[str]:
    by_name = name in TABLES_BY_NAME
    section: Any = get_args(field.annotation)[1] if by_name else field.annotation
    yield f"## `[{name}.<name>]`" if by_name else f"## `[{name}]`"
    yield ""
    yield "| setting | default | meaning |"
    yield "| --- | --- | --- |"
    yield from _rows(section, "")
    yield ""


def _rows(section: type[SettingsSection], path: str) -> Iterator[str]:
    for name, field in section.model_fields.items():
        inner = row_of(field.annotation)
        if isinstance(inner, type) and issubclass(inner, SettingsSection):
            listed = inner is not field.annotation
            if listed:
                yield f"| `{path}{name}` |  | {_meaning(field)} |"
            yield from _rows(inner, f"{path}{name}[]." if listed else f"{path}{name}.")
        else:
            yield f"| `{path}{name}` | {_default(field)} | {_meaning(field)} |"


def _meaning(field: FieldInfo) -> str:
    return (field.description or "").replace("\n", " ").replace("|", "\\|").replace("<", "&lt;")


def _default(field: FieldInfo) -> str:
    value = field.default
    if value is PydanticUndefined:
        return "needed"
    if value is None or value == {}:
        return ""
    if is_duration(field):
        return f"`{written(value)}`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value.value if isinstance(value, Enum) else value}`"


if __name__ == "__main__":
    sys.stdout.write(document())
