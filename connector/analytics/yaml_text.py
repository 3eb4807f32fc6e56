"""Plain values as YAML: blocks of mappings and lists, every text in double quotes, as JSON writes it. Pure."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

_UNPRINTABLE: Final = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_PLAIN_KEY: Final = re.compile("[A-Za-z][A-Za-z0-9_]*")
_WORDS: Final = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
"""Words that YAML 1.1 takes for other values than texts."""


def yaml_text(value: Mapping[str, Any]) -> str:
    """Returns the mapping as a YAML document."""
    return "\n".join([*_lines(value, ""), ""])


def _lines(value: Any, indent: str) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, one in value.items():
            yield from _entry(f"{indent}{_key(name)}:", one, f"{indent}  ")
    else:
        for one in value:
            inner = list(_lines(one, "")) if _nests(one) else [_flat(one)]
            first, *rest = inner
            yield f"{indent}- {first}"
            yield from (f"{indent}  {line}" for line in rest)


def _entry(head: str, value: Any, indent: str) -> Iterator[str]:
    if _nests(value):
        yield head
        yield from _lines(value, indent)
    else:
        yield f"{head} {_flat(value)}"


def _nests(value: Any) -> bool:
    return isinstance(value, Mapping | Sequence) and not isinstance(value, str) and bool(value)


def _flat(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _key(name: str) -> str:
    return name if _PLAIN_KEY.fullmatch(name) and name.lower() not in _WORDS else _flat(name)
