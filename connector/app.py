"""Composition root: the only file that picks concrete classes. It opens nothing when imported."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from connector.kaufland.adapter import Kaufland, kaufland
from connector.kaufland.address import address
from connector.kaufland.caller import KauflandAccount, UpdateMode
from connector.kaufland.calllog import CallLog
from connector.kaufland.credentials import Credentials
from connector.kaufland.reference import ReferenceData
from connector.logs import SCRUBBER
from connector.operations.check import Parts
from connector.routing import Routing
from connector.settings import convert, model
from connector.settings.load import Facts, Loaded, key_sources, load
from connector.settings.model import Settings
from connector.simulator import __main__ as simulator
from connector.subjects import look_up
from connector.topics import Limits, Permission, permissions
from streams.clock import SystemClock
from streams.kafka.administration import Administration
from streams.kafka.registry import RegistryClient
from streams.kafka.settings import Connection

API_CALLS_PER_SECOND = 111
"""Per seller, a maximum ("Rate Limits", sellerapi.kaufland.com)."""


# ---- settings -------------------------------------------------------------------------------------------------------


def settings(file: Path | None, environ: Mapping[str, str], now: datetime) -> Loaded:
    """Raises SettingsError that names every problem. From here on no line of a log shows a configured secret."""
    loaded = load(file, environ, now, facts(ReferenceData()))
    SCRUBBER.learn(secrets(loaded.settings))
    return loaded


def facts(reference: ReferenceData) -> Facts:
    """What settings are checked against."""
    table = reference.current.reference
    return Facts(
        storefronts={code: currency.code for code, currency in table.storefronts.items()},
        calls_per_second=API_CALLS_PER_SECOND,
        bulk_limit=table.bulk_limit,
        address=_address,
        keys=lambda client_key, secret_key: Credentials(client_key, secret_key).notices,
    )


def secrets(configured: Settings) -> Iterator[str]:
    for account in configured.accounts.values():
        for source in key_sources(account):
            yield source().strip()
    for file in configured.kafka.properties_from_files.values():
        yield file.read_text(encoding="utf-8").strip()


def _address(account: model.Account) -> Any:
    return address(account.base_url, playground=account.playground, dev=account.simulator)


def routing(configured: Settings) -> Routing:
    table = ReferenceData().current.reference
    lists = {
        name: convert.allow_list(target.allow_eans_file.read_text(encoding="utf-8"))
        for name, target in configured.targets.items()
        if target.allow_eans_file is not None
    }
    currencies = {code: currency.code for code, currency in table.storefronts.items()}
    return convert.routing(configured.targets, currencies, lists)


# ---- the backbone ---------------------------------------------------------------------------------------------------


def connection(configured: Settings) -> Connection:
    kafka = configured.kafka
    from_files = {name: file.read_text(encoding="utf-8").strip() for name, file in kafka.properties_from_files.items()}
    return Connection(
        bootstrap_servers=kafka.bootstrap_servers,
        client_id=kafka.instance_id,
        properties={**kafka.properties, **from_files},
    )


def administration(configured: Settings) -> Administration:
    return Administration(connection(configured).client())


def registry(configured: Settings) -> RegistryClient:
    return RegistryClient(configured.registry.url, timeout_s=configured.registry.timeout)


def limits(configured: Settings) -> Limits:
    """librdkafka's default batch is 1,000,000 bytes."""
    return Limits(batch_bytes=int(configured.kafka.properties.get("batch.size", 1_000_000)))


def acls(configured: Settings) -> Sequence[Permission]:
    return list(
        permissions(
            convert.topics(configured.topics),
            group=configured.kafka.group,
            instance_id=configured.kafka.instance_id,
            transactional=configured.processing.guarantee is model.Guarantee.EXACTLY_ONCE_V2,
        )
    )


# ---- the marketplace ------------------------------------------------------------------------------------------------


def marketplace(configured: Settings, log: CallLog | None = None) -> Kaufland:
    mode = UpdateMode.BATCH if configured.offers.mode == "batch" else UpdateMode.SINGLE
    return kaufland(
        [_account(name, account, mode) for name, account in configured.accounts.items()],
        clock=SystemClock(),
        log=log,
    )


def _account(name: str, account: model.Account, mode: UpdateMode) -> KauflandAccount:
    known = KauflandAccount(
        name=name, credentials=Credentials(*key_sources(account)), address=_address(account), mode=mode
    )
    return known if account.user_agent is None else replace(known, user_agent=account.user_agent)


# ---- commands -------------------------------------------------------------------------------------------------------


@contextmanager
def questions(loaded: Loaded) -> Iterator[Parts]:
    """What ``connector check`` asks."""
    configured = loaded.settings
    topics = convert.topics(configured.topics)
    adapter = marketplace(configured)
    try:
        with registry(configured) as client:
            yield Parts(
                loaded=loaded,
                topics=topics,
                limits=limits(configured),
                routing=routing(configured),
                broker=administration(configured),
                subjects=lambda: look_up(client, topics, avro_keys=convert.avro_keys(configured)),
                marketplace=adapter.check,
            )
    finally:
        adapter.close()


def simulate(arguments: Sequence[str]) -> int:
    return simulator.main(arguments)
