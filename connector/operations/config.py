"""Implements ``connector config show`` and ``config routing``: the effective settings and the routing table."""

from rich.console import Console
from rich.table import Table

from connector.routing.table import Routing
from connector.settings.load import Loaded
from connector.settings.show import digest, masked


def show(console: Console, loaded: Loaded) -> None:
    """Prints the effective settings, with secrets masked, and the notes about them."""
    console.print(f"# {loaded.file or 'no file'} and the environment; digest {digest(loaded.settings)}")
    for setting, value in masked(loaded.settings):
        source = f"  # from {loaded.sources[setting]}" if setting in loaded.sources else ""
        console.print(f"{setting} = {value}{source}", markup=False, highlight=False, soft_wrap=True)
    for line in loaded.ignored:
        console.print(f"# ignored: {line}", markup=False, highlight=False, soft_wrap=True)
    for line in loaded.warnings:
        console.print(f"# note: {line}", markup=False, highlight=False, soft_wrap=True)


def show_routing(console: Console, routing: Routing) -> None:
    """Prints the routing table, sorted by target id."""
    table = Table("target_id", "account", "storefront", "currency", "prices", "state", "EANs")
    for target in sorted(routing.targets.values(), key=lambda target: target.id):
        table.add_row(
            target.id,
            target.account,
            target.storefront,
            target.currency,
            "sent" if target.price_sync else "suppressed",
            "on" if target.enabled else "off",
            "all" if target.allow_eans is None else str(len(target.allow_eans)),
        )
    console.print(table)
