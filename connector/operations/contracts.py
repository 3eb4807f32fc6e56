"""Implements ``connector contracts``: writes what readers of the topics build on to files, or prints it."""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from rich.console import Console

from connector.analytics.sql import DIALECTS


class ContractFormat(StrEnum):
    """A kind of files."""

    SQL = "sql"


def files(form: ContractFormat) -> Mapping[str, str]:
    """Returns the text of each file, by its name."""
    match form:
        case ContractFormat.SQL:
            return {f"{name}.sql": dialect.script() for name, dialect in DIALECTS.items()}


def export(console: Console, texts: Mapping[str, str], folder: Path | None) -> None:
    """Writes the files into ``folder`` and names them; without a folder, prints them one after the other."""
    for name, text in texts.items():
        if folder is None:
            console.print(text, markup=False, highlight=False, soft_wrap=True)
            continue
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        console.print(str(path), markup=False, highlight=False, soft_wrap=True)
