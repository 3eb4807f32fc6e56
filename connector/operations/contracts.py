"""Implements ``connector contracts``: writes what readers of the topics build on to files, or prints it."""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from rich.console import Console

from connector.analytics.asyncapi import asyncapi
from connector.analytics.odcs import contracts
from connector.analytics.sql import DIALECTS
from connector.analytics.terms import ContractTerms
from connector.analytics.yaml_text import yaml_text

HEAD = "# Printed by `connector contracts export`: do not edit.\n"


class ContractFormat(StrEnum):
    """A kind of files."""

    ASYNCAPI = "asyncapi"
    ODCS = "odcs"
    SQL = "sql"


def files(form: ContractFormat, terms: ContractTerms) -> Mapping[str, str]:
    """Returns the text of each file, by its name."""
    match form:
        case ContractFormat.ASYNCAPI:
            return {"asyncapi.yaml": HEAD + yaml_text(asyncapi(terms))}
        case ContractFormat.ODCS:
            made = contracts(terms)
            return {f"odcs/{dataset}.odcs.yaml": HEAD + yaml_text(contract) for dataset, contract in made.items()}
        case ContractFormat.SQL:
            return {f"{name}.sql": dialect.script() for name, dialect in DIALECTS.items()}


def export(console: Console, texts: Mapping[str, str], folder: Path | None) -> None:
    """Writes the files into ``folder`` and names them; without a folder, prints them one after the other."""
    for name, text in texts.items():
        if folder is None:
            console.print(text, markup=False, highlight=False, soft_wrap=True, end="")
            continue
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        console.print(str(path), markup=False, highlight=False, soft_wrap=True)
