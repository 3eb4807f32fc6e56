"""``python -m schemas check`` compares every schema with its released content and with earlier versions; ``release``
adds the new files to ``released.json``, except those that are incompatible with an earlier version.
"""

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from schemas import evolution, history, naming

_FOLDER = Path(__file__).parent
_RELEASED = _FOLDER / "released.json"


def main(arguments: list[str]) -> int:
    """Returns the exit code: 0 = no problem, 1 = a released file changed or a file must not be released, 2 = usage."""
    released: dict[str, str] = json.loads(_RELEASED.read_text(encoding="utf-8"))
    present = {path.name: path.read_bytes() for path in _FOLDER.iterdir() if naming.parse(path.name)}
    new = sorted(present.keys() - released.keys())
    match arguments:
        case ["check"]:
            refused = _refused(present, present)
        case ["release"]:
            refused = _refused(new, present)
            released |= {file: history.digest(present[file]) for file in new if file not in refused}
            _RELEASED.write_text(json.dumps(dict(sorted(released.items())), indent=2) + "\n", encoding="utf-8")
        case _:
            sys.stderr.write("usage: python -m schemas check|release\n")
            return 2
    unpublished = refused.keys() - released.keys()
    found = [why for reasons in refused.values() for why in reasons]
    found += history.problems(released, {file: held for file, held in present.items() if file not in unpublished})
    _say(found)
    _say(f"{warning} (a warning)" for file in new for warning in evolution.warnings(file, present))
    return 1 if found else 0


def _refused(files: Iterable[str], present: Mapping[str, bytes]) -> dict[str, list[str]]:
    """Maps each file that must not be released to the reasons."""
    return {file: why for file in sorted(files) if (why := evolution.refusals(file, present))}


def _say(sentences: Iterable[str]) -> None:
    sys.stderr.writelines(f"schemas/{sentence}\n" for sentence in sentences)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
