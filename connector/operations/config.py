"""Implements ``connector config show`` and ``config routing``: the effective settings and the routing table."""

from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.table import Table

from connector.routing.table import Routing, Target
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


def document(loaded: Loaded) -> dict[str, Any]:
    """Returns what ``config show --json`` prints: values as texts, with secrets masked."""
    return {
        "file": None if loaded.file is None else str(loaded.file),
        "digest": digest(loaded.settings),
        "settings": dict(masked(loaded.settings)),
        "ignored": list(loaded.ignored),
        "notes": list(loaded.warnings),
    }


def show_routing(console: Console, routing: Routing) -> None:
    """Prints the routing table, sorted by target id."""
    table = Table("target_id", "account", "storefront", "currency", "prices", "state", "EANs")
    for target in _sorted(routing):
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


def routing_document(routing: Routing) -> list[dict[str, Any]]:
    """Returns what ``config routing --json`` prints. ``allowed_eans``: their number, null for all."""
    return [
        {
            "target_id": target.id,
            "account": target.account,
            "storefront": target.storefront,
            "currency": target.currency,
            "price_sync": target.price_sync,
            "enabled": target.enabled,
            "allowed_eans": None if target.allow_eans is None else len(target.allow_eans),
        }
        for target in _sorted(routing)
    ]


def _sorted(routing: Routing) -> Iterable[Target]:
    return sorted(routing.targets.values(), key=lambda target: target.id)
