"""The version before this one, as far as records are concerned: this code without the newest version of each schema
that it writes.

It writes states, results and commands with the schemas before the newest ones, and reads those of this version as a
version does that does not know them. ``CONNECTOR_BEFORE`` names the checkout of a real older version instead
(docs/decisions/version-before.md).
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import schemas
from schemas import naming

ROOT: Final = Path(schemas.__file__).parents[1]
ONLY_READ: Final = frozenset({"offer_changed", "shipment_dispatched"})
"""Events of other systems: this code asks for fields of their newest version, which a version before does not."""


def version_before(folder: Path) -> Mapping[str, str]:
    """Returns the environment in which ``python -m connector`` is the version before; its files go to ``folder``."""
    checkout = os.environ.get("CONNECTOR_BEFORE")
    # with the first, Python does not look for modules in the directory in which it is started
    return {"PYTHONSAFEPATH": "1", "PYTHONPATH": checkout or str(_without_the_newest(folder))}


def as_known(config: Path, version: Mapping[str, str]) -> Path:
    """Returns a configuration without the tables that a real older version does not know; others know each of them."""
    if not version or "CONNECTOR_BEFORE" not in os.environ:
        return config
    asked = "from connector.settings.model import Settings; print(*Settings.model_fields)"
    command = [sys.executable, "-c", asked]
    known = subprocess.run(command, env={**os.environ, **version}, check=True, capture_output=True, text=True).stdout
    tables = re.split(r"^(?=\[)", config.read_text("utf-8"), flags=re.MULTILINE)
    kept = config.with_name(f"older-{config.name}")
    kept.write_text("".join(one for one in tables if re.split(r"[\[\].]", f"{one}]")[1] in known.split()), "utf-8")
    return kept


def _without_the_newest(folder: Path) -> Path:
    copy = shutil.copytree(ROOT / "schemas", folder / "schemas", ignore=shutil.ignore_patterns("__pycache__"))
    for name in schemas.NAMES:
        if schemas.newest(name) > 1 and name not in ONLY_READ:
            (copy / naming.file_name(name, schemas.newest(name))).unlink()
    return folder
