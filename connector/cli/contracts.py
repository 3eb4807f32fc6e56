"""``connector contracts``: what readers of the topics build on, as files."""

from pathlib import Path
from typing import Annotated

import typer

from connector.cli.options import output
from connector.operations import contracts
from connector.operations.contracts import ContractFormat

contracts_cli = typer.Typer(help="What readers of the topics build on, as files.", no_args_is_help=True)


@contracts_cli.callback()
def _group() -> None:
    """Makes ``export`` a command of a group, although it is the only one."""


@contracts_cli.command("export")
def export_contracts(
    form: Annotated[ContractFormat, typer.Option("--format", help="sql: flat views for each engine.")],
    out: Annotated[Path | None, typer.Option("--out", help="Folder to write to. Default: print.")] = None,
) -> None:
    """Write flat views of the topics as SQL."""
    contracts.export(output(), contracts.files(form), out)
