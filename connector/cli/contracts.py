"""``connector contracts``: what readers of the topics build on, as files."""

from pathlib import Path
from typing import Annotated

import typer

from connector.cli.options import ConfigFile, loaded, output
from connector.operations import contracts
from connector.operations.contracts import ContractFormat
from connector.settings import convert

contracts_cli = typer.Typer(help="What readers of the topics build on, as files.", no_args_is_help=True)


@contracts_cli.callback()
def _group() -> None:
    """What readers of the topics build on, as files."""  # makes export a command of a group, although it is alone


@contracts_cli.command("export")
def export_contracts(
    config_file: ConfigFile = None,
    form: Annotated[
        ContractFormat | None,
        typer.Option("--format", help="Default: asyncapi and odcs. sql: flat views for each engine."),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder to write to. Default: print.")] = None,
) -> None:
    """Write data contracts of the topics: AsyncAPI 3, and ODCS v3 for each output; or flat views as SQL.

    With a configuration: its topics and owner. Without one: all topics with their default names, and no owner.

    Exit code: 0 if they are written; 2 if the command line or the configuration must be changed.

    Example: connector contracts export --format sql --out sql
    """
    terms = convert.contract_terms(None if config_file is None else loaded(config_file).settings)
    for each in (ContractFormat.ASYNCAPI, ContractFormat.ODCS) if form is None else (form,):
        contracts.export(output(), contracts.files(each, terms), out)
