"""A generator from npm makes TypeScript of the newest version of each schema, which compiles in strict mode."""

import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

import schemas

_SCRIPT: Final = "to_typescript.cjs"
_LOCKED: Final = ("package.json", "package-lock.json")
"""The generator and the compiler with their hashes; without addresses. To change them: ``npm install
--package-lock-only --omit-lockfile-registry-resolved`` in this directory."""


def run(folder: Path, *command: str) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_typescript_of_every_newest_schema_compiles_in_strict_mode(tmp_path: Path) -> None:
    for folder in ("schemas", "out"):
        (tmp_path / folder).mkdir()
    for name in schemas.NAMES:
        (tmp_path / "schemas" / f"{name}.avsc").write_text(schemas.text(name, schemas.newest(name)), "utf-8")
    for name in (_SCRIPT, *_LOCKED):
        shutil.copy(Path(__file__).with_name(name), tmp_path)
    run(tmp_path, "npm", "ci", "--no-audit", "--no-fund", "--silent", "--prefer-offline")

    run(tmp_path, "node", _SCRIPT, "schemas", "out")

    written = sorted(str(file) for file in (tmp_path / "out").glob("*.ts"))
    assert len(written) == len(schemas.NAMES)
    run(tmp_path, "npx", "tsc", "--noEmit", "--strict", "--types", "node", *written)
