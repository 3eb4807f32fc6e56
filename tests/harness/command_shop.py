"""A simulated marketplace and a configuration for commands that need no broker, run in this process."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from typer.testing import CliRunner, Result

from connector.cli.main import cli
from simulator.offers.catalogue import SimulatedUnit
from simulator.scenario import Scenario
from simulator.simulator import Simulator

SCENARIO = {
    "seed": 7,
    "catalogue": {
        "eans": 60,
        "storefronts": ("de", "at"),
        "conditions": ("NEW",),
        "missing": 0.0,
        "ambiguous": 0.0,
        "further_condition": 0.0,
    },
}
CONFIG = """
[kafka]
bootstrap_servers = "127.0.0.1:1"
group = "connector"
start = "earliest"
instance_id = "connector-0"
[registry]
url = "http://127.0.0.1:1"
[accounts.demo]
client_key_file = "client_key"
secret_key_file = "secret_key"
base_url = "{url}"
simulator = true
requests_per_second = 50
[targets.shop-de]
account = "demo"
storefront = "de"
[targets.shop-at]
account = "demo"
storefront = "at"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandShop:
    """A seller with 60 EANs in condition NEW on two storefronts; no broker and no registry respond."""

    simulator: Simulator
    folder: Path

    @property
    def units(self) -> list[SimulatedUnit]:
        """The seller's units on de."""
        return [unit for unit in self.simulator.catalogue if unit.storefront == "de"]

    def run(self, *arguments: str, stdin: str | None = None) -> Result:
        """Runs a command with the shop's configuration."""
        return CliRunner().invoke(cli, [*arguments, "--config", str(self.folder / "connector.toml")], input=stdin)

    def write_keys(self, client_key: str, secret_key: str) -> None:
        (self.folder / "client_key").write_text(client_key)
        (self.folder / "secret_key").write_text(secret_key)


@contextmanager
def command_shop(folder: Path) -> Iterator[CommandShop]:
    with Simulator(Scenario.model_validate(SCENARIO)) as simulator:
        shop = CommandShop(simulator=simulator, folder=folder)
        seller = simulator.sellers["demo"]
        shop.write_keys(seller.client_key, seller.secret_key)
        (folder / "connector.toml").write_text(CONFIG.format(url=simulator.url))
        yield shop


def ean_of(unit: SimulatedUnit) -> str:
    return unit.product.eans[0]
