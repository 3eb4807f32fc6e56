"""``python -m schemas check`` compares every schema with its release; ``release`` publishes the new files."""

import json
import sys
from pathlib import Path

from schemas import history, naming

_FOLDER = Path(__file__).parent
_RELEASED = _FOLDER / "released.json"


def main(arguments: list[str]) -> int:
    """0 = in order, 1 = a released file was changed, 2 = not understood."""
    released: dict[str, str] = json.loads(_RELEASED.read_text(encoding="utf-8"))
    present = {path.name: path.read_bytes() for path in _FOLDER.iterdir() if naming.parse(path.name)}
    match arguments:
        case ["check"]:
            found = history.problems(released, present)
        case ["release"]:
            new = {file: history.digest(content) for file, content in present.items() if file not in released}
            released = dict(sorted((released | new).items()))
            _RELEASED.write_text(json.dumps(released, indent=2) + "\n", encoding="utf-8")
            found = history.problems(released, present)
        case _:
            sys.stderr.write("usage: python -m schemas check|release\n")
            return 2
    sys.stderr.writelines(f"schemas/{problem}\n" for problem in found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
