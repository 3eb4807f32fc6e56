"""Loads the settings of a process, checks them against the facts of the marketplace, and builds the routing table.

Loading registers every configured secret with the log's scrubber.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from connector.contracts.capabilities import Capability
from connector.kaufland.http.address import address
from connector.kaufland.http.credentials import Credentials
from connector.kaufland.reference import KauflandReference, load_reference
from connector.logs import SCRUBBER
from connector.mappings.overrides import NO_OVERRIDES, Overrides
from connector.mappings.rates import NO_RATES, Rates, parse_rates
from connector.routing.table import Routing
from connector.settings import convert, model
from connector.settings.load import Facts, Loaded, key_sources, load
from connector.settings.model import Settings
from streams.http.address_secrets import secrets_of
from streams.kafka.property_check import property_errors

API_CALLS_PER_SECOND = 111
"""The API's limit per seller ("Rate Limits", sellerapi.kaufland.com)."""


def load_settings(file: Path | None, environ: Mapping[str, str], now: datetime) -> Loaded:
    """Returns the validated settings; from then on, no log line shows a configured secret.

    Raises SettingsError that names every problem.
    """
    loaded = load(file, environ, now, lambda over: marketplace_facts(load_reference(over)))
    SCRUBBER.learn(secrets(loaded.settings))
    return loaded


def marketplace_facts(reference: KauflandReference) -> Facts:
    """Returns the facts of the marketplace against which settings are checked."""
    table = reference.reference
    return Facts(
        storefronts={code: currency.code for code, currency in table.storefronts.items()},
        calls_per_second=API_CALLS_PER_SECOND,
        bulk_limit=table.bulk_limit,
        address=base_address,
        keys=lambda client_key, secret_key: Credentials(client_key, secret_key).notices,
        client=property_errors,
    )


def secrets(configured: Settings) -> Iterator[str]:
    """Yields the value of every configured secret; an empty string for one that is not set."""
    for account in configured.accounts.values():
        for source in key_sources(account):
            yield source().strip()
    for url in addresses(configured):
        yield from secrets_of(url)
    if configured.registry.password is not None:
        yield configured.registry.password.get_secret_value()
    for file in secret_files(configured):
        yield file.read_text(encoding="utf-8").strip()


def addresses(configured: Settings) -> Iterator[str]:
    """Yields every URL of the settings; a part of each may be a secret."""
    registry = configured.registry
    named = (registry.url, registry.oauth.url, configured.http.proxy, configured.push.public_url)
    yield from filter(None, (*named, configured.traces.endpoint))
    yield from (account.base_url for account in configured.accounts.values() if account.base_url is not None)
    yield from (str(value) for name, value in configured.kafka.properties.items() if name.endswith(".url"))


def secret_files(configured: Settings) -> Iterator[Path]:
    """Yields the files whose whole content is a secret, keys of accounts apart."""
    registry = configured.registry
    named = (
        configured.http.proxy_password_file,
        registry.password_file,
        registry.token_file,
        registry.oauth.client_secret_file,
        *configured.kafka.properties_from_files.values(),
    )
    yield from (file for file in named if file is not None)


def base_address(account: model.AccountSettings) -> Any:
    """Returns the address to which an account's calls go. Raises ValueError if it is not allowed."""
    return address(account.base_url, playground=account.playground, dev=account.simulator)


def routing(configured: Settings) -> Routing:
    """Returns the effective routing table, with the allow-lists read from their files."""
    lists = {
        name: convert.allow_list(target.allow_eans_file.read_text(encoding="utf-8"))
        for name, target in configured.targets.items()
        if target.allow_eans_file is not None
    }
    on = convert.capabilities(configured)
    creatable = {
        name: convert.allow_list(target.create.eans_file.read_text(encoding="utf-8"))
        for name, target in configured.targets.items()
        if target.create.eans_file is not None and Capability.OFFERS_CREATE in on[name]
    }
    return convert.routing(configured.targets, _currencies(configured), lists, creatable, on)


def overrides(configured: Settings) -> Overrides:
    """Returns the overrides of single offers, read from their file."""
    file = configured.mappings.overrides_file
    if file is None:
        return NO_OVERRIDES
    return convert.overrides(file.read_bytes(), configured.targets, _currencies(configured))


def rates(configured: Settings) -> Rates:
    """Returns the exchange rates, read from their file."""
    file = configured.mappings.rates_file
    return NO_RATES if file is None else parse_rates(file.read_bytes())


def _currencies(configured: Settings) -> dict[str, str]:
    """Returns the currency of each storefront."""
    table = load_reference(configured.mappings.reference_file).reference
    return {code: currency.code for code, currency in table.storefronts.items()}
