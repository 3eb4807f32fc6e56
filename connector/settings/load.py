"""Loads a file and the environment into ``Settings``, or fails with one message that names every problem.

Settings that depend on each other are checked even if other settings are invalid, so that no problem hides another.
"""

import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeAlias

from pydantic import SecretStr

from connector.contracts.capabilities import Capability
from connector.mappings.contents import carriers
from connector.mappings.rates import parse_rates
from connector.marketplace.daily_budget import time_zone
from connector.settings import model
from connector.settings.connection_checks import connection_notes, connection_problems, unreadable
from connector.settings.convert import allow_list, overrides, policy, routing
from connector.settings.environment import overlay, with_usual_variables
from connector.settings.model import OfferSettings, Settings
from connector.settings.problems import SettingsProblem, is_secret
from connector.settings.tables import PartialTable, Tables
from streams.errors import SettingsError
from streams.quota import fit_into_a_mark

OURS = frozenset(
    {
        "bootstrap.servers", "group.id", "client.id", "enable.auto.commit", "enable.auto.offset.store",
        "enable.idempotence", "transactional.id", "transaction.timeout.ms", "isolation.level", "auto.offset.reset",
        "session.timeout.ms", "group.instance.id", "group.protocol", "partition.assignment.strategy", "partitioner",
        "acks", "max.poll.interval.ms", "message.timeout.ms",
    }
)  # fmt: skip
"""librdkafka properties that the connector sets itself, because its guarantees depend on them."""


_PROJECTION = ("console", "projection")
TOKEN_LENGTH = 16
"""Characters of the console's token at least."""

KeySource: TypeAlias = Callable[[], str]
"""Returns the current value of a key. Raises SettingsError if it cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Facts of the marketplace against which settings are checked."""

    storefronts: Mapping[str, str]  # storefront -> currency
    calls_per_second: float  # the maximum per account
    bulk_limit: int  # the maximum number of offers in one call
    address: Callable[[model.AccountSettings], object]  # raises ValueError for a base address that is not allowed
    keys: Callable[
        [KeySource, KeySource], tuple[str, ...]
    ]  # client and secret key; returns notices; raises SettingsError
    client: Callable[[Mapping[str, Any]], Iterable[tuple[str, str]]]
    """Returns each property that the Kafka client rejects, with its message; "" if it rejects their combination."""


FactsOf: TypeAlias = Callable[[Path | None], Facts]
"""Returns the facts, with those of a file laid over them. Raises OSError or ValueError if the file is not valid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """The settings, and notes about them that do not prevent a start."""

    settings: Settings
    file: Path | None
    ignored: tuple[str, ...]  # settings that have no effect because of others
    warnings: tuple[str, ...]
    sources: Mapping[str, str] = field(default_factory=dict)
    """The usual variable of the environment, such as HTTPS_PROXY, of each setting that was taken from one."""


def load(
    file: Path | None,
    environ: Mapping[str, str],
    now: datetime,
    facts_of: FactsOf,
) -> Loaded:
    """Loads the settings. Raises SettingsError whose text has one line for each problem."""
    tree = _read(file)
    problems = _secrets_in_file(_dotted(tree))
    tree, sources = with_usual_variables(_paths_beside(_dotted(overlay(tree, environ)), file), environ)
    facts = _facts(tree, facts_of, problems)
    tables = Tables.read(tree, problems)
    problems += _across(tree, tables, now, facts)
    problems = [_with_source(problem, sources) for problem in problems]
    if problems:
        raise SettingsError(_message(file, problems))
    settings = tables.settings()
    return Loaded(
        settings=settings,
        file=file,
        ignored=tuple(_ignored(settings, now)),
        warnings=(*_warnings(settings, facts), *_off_sale(settings)),
        sources=sources,
    )


def _with_source(problem: SettingsProblem, sources: Mapping[str, str]) -> SettingsProblem:
    """Names the variable of the environment that a wrong setting comes from."""
    variable = sources.get(problem.setting)
    return problem if variable is None else replace(problem, setting=f"{problem.setting} (from {variable})")


def wants_json(file: Path | None, environ: Mapping[str, str]) -> bool:
    """Whether JSON logs are configured explicitly, so that problems of the settings are logged as JSON, too.

    Never raises; ``load`` reports the problems.
    """
    try:
        tree = overlay(_read(file), environ)
    except SettingsError:
        tree = overlay({}, environ)
    log = tree.get("log")
    return isinstance(log, Mapping) and log.get("format") == "json"


# ---- the file -------------------------------------------------------------------------------------------------------


def _read(file: Path | None) -> dict[str, Any]:
    """Parses the file. Raises SettingsError if it cannot be read; no other check would be meaningful then."""
    if file is None:
        return {}
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{file} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file} is not TOML: {error}") from None


_ADDRESSES: Final = (("registry", "url"), ("http", "proxy"))
"""Settings that may have user and password in them."""


def _secrets_in_file(tree: Mapping[str, Any], path: tuple[str, ...] = ()) -> list[SettingsProblem]:
    """Reports secrets in the file; they belong into files of their own, or the environment."""
    found = []
    for name, value in tree.items():
        if isinstance(value, Mapping):
            within_files = (*path, name) == ("kafka", "properties_from_files")
            found += [] if within_files else _secrets_in_file(value, (*path, name))
        elif (*path, name) in _ADDRESSES and "@" in str(value):
            variable = "__".join(["CONNECTOR", *path, name]).upper()
            message = f"the address must not contain a password in this file; set it as {variable}"
            found.append(SettingsProblem(setting=".".join((*path, name)), message=message))
        elif is_secret(name) or (path == ("kafka", "properties") and name.endswith(".url") and "@" in str(value)):
            where = "kafka.properties_from_files" if path[:1] == ("kafka",) else f"{name}_file"
            message = f"a secret must not be in this file; name a file that contains it: {where}"
            found.append(SettingsProblem(setting=".".join((*path, name)), message=message))
    return found


def _dotted(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Flattens the tables of Kafka properties: TOML reads ``sasl.mechanism = "PLAIN"`` as a nested table."""
    kafka = tree.get("kafka")
    if not isinstance(kafka, Mapping):
        return dict(tree)
    flat = {
        name: dict(_flat(kafka[name], ""))
        for name in ("properties", "properties_from_files")
        if isinstance(kafka.get(name), Mapping)
    }
    return {**tree, "kafka": {**kafka, **flat}}


def _flat(table: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _paths_beside(tree: dict[str, Any], file: Path | None) -> dict[str, Any]:
    """Resolves relative paths against the folder of the configuration file, not the working directory."""
    folder = file.parent if file is not None else Path()

    def placed(name: str, value: Any, inside: str) -> Any:
        if isinstance(value, dict):
            return {key: placed(key, inner, name) for key, inner in value.items()}
        is_path = name.endswith("_file") or inside == "properties_from_files" or (inside, name) == _PROJECTION
        return str(folder / value) if is_path and isinstance(value, str) else value

    return {name: placed(name, value, "") for name, value in tree.items()}


def _facts(tree: Mapping[str, Any], facts_of: FactsOf, problems: list[SettingsProblem]) -> Facts:
    """Returns the facts, without those of a file that is not valid, which is added to the problems."""
    mappings = tree.get("mappings")
    named = mappings.get("reference_file") if isinstance(mappings, Mapping) else None
    try:
        return facts_of(Path(named) if isinstance(named, str) else None)
    except (OSError, ValueError) as error:
        problems.append(_invalid_file("mappings.reference_file", Path(str(named)), error))
        return facts_of(None)


def _invalid_file(setting: str, file: Path, error: OSError | ValueError) -> SettingsProblem:
    why = f"cannot be read: {error.strerror}" if isinstance(error, OSError) else f"is not valid: {error}"
    return SettingsProblem(setting=setting, message=f"{str(file)!r} {why}")


# ---- checks across settings -----------------------------------------------------------------------------------------


def _across(tree: Mapping[str, Any], tables: Tables, now: datetime, facts: Facts) -> Iterator[SettingsProblem]:
    """Yields the problems between settings, and those that the facts of the marketplace show."""
    yield from _onboarded(tree.get("targets"), tree.get("accounts"))
    yield from _places(tables.targets, facts.storefronts)
    yield from _idle_accounts(tree, tables)
    yield from _budgets(tables)
    for name, account in tables.accounts.items():
        yield from _account(f"accounts.{name}", account, facts)
    if kafka := tables.section(model.KafkaSettings):
        yield from _kafka(kafka, facts)
    yield from connection_problems(tables)
    if processing := tables.section(model.ProcessingSettings):
        yield from _numbers(processing)
    if offers := tables.section(model.OfferSettings):
        yield from _offers(offers, tree.get("targets"), facts)
    if shipments := tables.section(model.ShipmentSettings):
        yield from _carriers(shipments)
    if (mappings := tables.section(model.MappingSettings)) and len(tables.targets) == len(tree.get("targets") or ()):
        yield from _overrides(mappings, tables.targets, facts.storefronts)
        yield from _rates(mappings, tables.targets)
    if push := tables.section(model.PushSettings):
        yield from _push(push)
    if console := tables.section(model.ConsoleSettings):
        yield from _console(console)
    if log := tables.section(model.LogSettings):
        yield from _debugging(log.values, now)


def _onboarded(targets: Any, accounts: Any) -> Iterator[SettingsProblem]:
    """Checks that each target's account is configured, even if the target or the account has other problems."""
    known = sorted(accounts) if isinstance(accounts, Mapping) else []
    for name, target in targets.items() if isinstance(targets, Mapping) else ():
        account = target.get("account") if isinstance(target, Mapping) else None
        if isinstance(account, str) and account not in known:
            message = f"{account!r} is not configured; [accounts] has: {', '.join(known) or 'none'}"
            yield SettingsProblem(setting=f"targets.{name}.account", message=message)


def _places(
    targets: Mapping[str, PartialTable[model.TargetSettings]], storefronts: Mapping[str, str]
) -> Iterator[SettingsProblem]:
    """Checks the storefront, allow-list and stock rules of each target."""
    for name, target in targets.items():
        if target.has("storefront") and target.values.storefront not in storefronts:
            message = f"{target.values.storefront!r} is not a storefront; known: {', '.join(sorted(storefronts))}"
            yield SettingsProblem(setting=f"targets.{name}.storefront", message=message)
        yield from _eans(f"targets.{name}.allow_eans_file", target.values.allow_eans_file)
        if target.has("capabilities", "create"):
            yield from _creations(f"targets.{name}.create", target.values)
        if target.has("stock_rules"):
            yield from _rules(f"targets.{name}.stock_rules", target.values.stock_rules)
        if target.has("price_floor", "price_ceiling", "price_limits"):
            yield from _price_limits(f"targets.{name}", target.values)
    placed = {name: target.values for name, target in targets.items() if target.has("account", "storefront")}
    try:
        routing(placed, dict.fromkeys([target.storefront for target in placed.values()], ""))
    except ValueError as error:
        yield SettingsProblem(setting="targets", message=str(error))


def _idle_accounts(tree: Mapping[str, Any], tables: Tables) -> Iterator[SettingsProblem]:
    """Reports accounts without targets, unless some target's account is unknown."""
    targets = tree.get("targets")
    if not isinstance(targets, Mapping) or len(targets) > len(tables.targets):
        return
    used = {target.values.account for target in tables.targets.values()}
    if used <= set(tables.accounts):
        for name in sorted(set(tables.accounts) - used):
            message = "no target uses it; add a [targets.NAME] with this account, or remove it"
            yield SettingsProblem(setting=f"accounts.{name}", message=message)


def _budgets(tables: Tables) -> Iterator[SettingsProblem]:
    """Checks that the calls of every account with a daily budget fit into the metadata of committed positions."""
    limited = [name for name, account in tables.accounts.items() if account.values.requests_per_day is not None]
    if not fit_into_a_mark(limited):
        message = f"{len(limited)} accounts have requests_per_day, too many for one group; run them in several"
        yield SettingsProblem(setting="accounts", message=message)


def _carriers(shipments: PartialTable[model.ShipmentSettings]) -> Iterator[SettingsProblem]:
    """Reports a file of carriers that is not valid."""
    file = shipments.values.carriers_file
    if file is not None:
        try:
            carriers(file.read_bytes())
        except (OSError, ValueError) as error:
            yield _invalid_file("shipments.carriers_file", file, error)


def _overrides(
    mappings: PartialTable[model.MappingSettings],
    targets: Mapping[str, PartialTable[model.TargetSettings]],
    storefronts: Mapping[str, str],
) -> Iterator[SettingsProblem]:
    """Reports a file of overrides that is not valid for the targets."""
    file = mappings.values.overrides_file
    placed = {name: one.values for name, one in targets.items() if one.has("storefront")}
    if file is not None and len(placed) == len(targets) and all(t.storefront in storefronts for t in placed.values()):
        try:
            overrides(file.read_bytes(), placed, storefronts)
        except (OSError, ValueError) as error:
            yield _invalid_file("mappings.overrides_file", file, error)


def _rates(
    mappings: PartialTable[model.MappingSettings], targets: Mapping[str, PartialTable[model.TargetSettings]]
) -> Iterator[SettingsProblem]:
    """Reports a file of rates that is not valid, and targets that convert prices without one."""
    file = mappings.values.rates_file
    if file is not None:
        try:
            parse_rates(file.read_bytes())
        except (OSError, ValueError) as error:
            yield _invalid_file("mappings.rates_file", file, error)
        return
    for name, target in targets.items():
        if target.has("capabilities") and Capability.PRICES_CONVERT in target.values.capabilities:
            message = f"{Capability.PRICES_CONVERT} needs exchange rates: set rates_file in [mappings]"
            yield SettingsProblem(setting=f"targets.{name}.capabilities", message=message)


def _eans(setting: str, file: Path | None) -> Iterator[SettingsProblem]:
    """Reports an allow-list that cannot be read or has invalid lines."""
    if file is None:
        return
    try:
        allow_list(file.read_text(encoding="utf-8"))
    except OSError as error:
        yield SettingsProblem(setting=setting, message=f"{str(file)!r} cannot be read: {error.strerror}")
    except ValueError as wrong:
        yield SettingsProblem(setting=setting, message=f"{wrong}; expected one EAN per line")


def _creations(setting: str, target: model.TargetSettings) -> Iterator[SettingsProblem]:
    """Checks which EANs a target may create: offers.create needs a list of them, or all."""
    create = target.create
    yield from _eans(f"{setting}.eans_file", create.eans_file)
    if create.eans_file is not None and create.all_eans:
        yield SettingsProblem(setting=f"{setting}.all_eans", message="contradicts eans_file; remove one of them")
    if Capability.OFFERS_CREATE in target.capabilities and create.eans_file is None and not create.all_eans:
        message = "offers.create needs the EANs that may be created: set eans_file, or all_eans = true"
        yield SettingsProblem(setting=setting, message=message)
    yield from _rules(f"{setting}.rules", create.rules)


def _price_limits(setting: str, target: model.TargetSettings) -> Iterator[SettingsProblem]:
    """Checks the guard rails of a target's prices: a floor must not be above its ceiling."""
    yield from _rules(f"{setting}.price_limits", target.price_limits)
    limits = {setting: (target.price_floor, target.price_ceiling)}
    for place, rule in enumerate(target.price_limits):
        floor, ceiling = rule.price_floor or target.price_floor, rule.price_ceiling or target.price_ceiling
        limits[f"{setting}.price_limits.{place}"] = (floor, ceiling)
    for where, (floor, ceiling) in limits.items():
        if floor is not None and ceiling is not None and floor > ceiling:
            yield SettingsProblem(
                setting=f"{where}.price_floor",
                message=f"{floor} is above price_ceiling, which is {ceiling}",
            )


def _rules(
    setting: str,
    rules: Sequence[model.StockRuleSettings | model.PriceLimitSettings | model.NewUnitRuleSettings],
) -> Iterator[SettingsProblem]:
    """Reports rules that change nothing, and rules that never apply because an earlier one matches first."""
    for place, rule in enumerate(rules):
        if not rule.model_fields_set - {"when"}:
            names = [name for name in type(rule).model_fields if name != "when"]
            yield SettingsProblem(
                setting=f"{setting}.{place}", message=f"sets none of {', '.join(names[:-1])} and {names[-1]}"
            )
        for earlier in range(place):
            if rules[earlier].when.items() <= rule.when.items():
                message = f"never applies: {setting}.{earlier} comes first and matches whenever it does"
                yield SettingsProblem(setting=f"{setting}.{place}", message=message)
                break


def _account(setting: str, account: PartialTable[model.AccountSettings], facts: Facts) -> Iterator[SettingsProblem]:
    """Checks the keys, the base address and the rate of an account."""
    if account.has("client_key_file", "client_key", "secret_key_file", "secret_key"):
        yield from _keys(setting, account.values, facts)
    if account.has("base_url", "simulator", "playground"):
        yield from _base_address(setting, account.values, facts)
    if account.has("rate", "requests_per_second"):
        yield from _ceiling(setting, account.values, facts)


def _base_address(setting: str, account: model.AccountSettings, facts: Facts) -> Iterator[SettingsProblem]:
    if account.simulator and (account.base_url is None or account.playground):
        yield SettingsProblem(
            setting=f"{setting}.simulator", message="requires base_url, and cannot be combined with playground"
        )
        return
    try:
        facts.address(account)
    except ValueError as refused:
        yield SettingsProblem(setting=f"{setting}.base_url", message=str(refused))


def _ceiling(setting: str, account: model.AccountSettings, facts: Facts) -> Iterator[SettingsProblem]:
    """Checks an account's rate against its own floor and the API's limit."""
    if account.rate.floor_per_second > account.requests_per_second:
        message = f"{account.rate.floor_per_second} is above requests_per_second, {account.requests_per_second}"
        yield SettingsProblem(setting=f"{setting}.rate.floor_per_second", message=message)
    if account.requests_per_second > facts.calls_per_second and not account.simulator:
        message = f"{account.requests_per_second} is above the API's limit; expected at most {facts.calls_per_second}"
        yield SettingsProblem(setting=f"{setting}.requests_per_second", message=message)
    try:
        time_zone(account.day_time_zone)
    except ValueError as error:
        yield SettingsProblem(setting=f"{setting}.day_time_zone", message=str(error))


def _keys(setting: str, account: model.AccountSettings, facts: Facts) -> Iterator[SettingsProblem]:
    """Checks that each key has one source, and that its value can be a key."""
    missing = False
    for name in ("client_key", "secret_key"):
        file, value = getattr(account, f"{name}_file"), getattr(account, name)
        if (file is None) == (value is None):
            missing = True
            found = "neither is set" if file is None else "both are set"
            variable = "__".join(["CONNECTOR", *setting.upper().split("."), name.upper()])
            message = f"{found}; expected either {name}_file or {variable} in the environment"
            yield SettingsProblem(setting=f"{setting}.{name}_file", message=message)
    if not missing:
        try:
            facts.keys(*key_sources(account))
        except SettingsError as refused:
            for fault in str(refused).split("; "):
                yield SettingsProblem(setting=setting, message=fault)


def key_sources(account: model.AccountSettings) -> tuple[KeySource, KeySource]:
    """Returns readers of the client key and the secret key; keys in files are read again at each call."""
    return (
        _source(account.client_key_file, account.client_key),
        _source(account.secret_key_file, account.secret_key),
    )


def _source(file: Path | None, value: SecretStr | None) -> KeySource:
    """Returns a reader of a key from its file, or from the settings."""

    def read() -> str:
        if file is None:
            return value.get_secret_value() if value is not None else ""
        try:
            return file.read_text(encoding="utf-8")
        except OSError as failed:
            raise SettingsError(f"{file}: {failed.strerror}") from None
        except UnicodeDecodeError:
            raise SettingsError(f"{file}: not text") from None

    return read


def _kafka(kafka: PartialTable[model.KafkaSettings], facts: Facts) -> Iterator[SettingsProblem]:
    """Reports properties that the connector sets itself, unreadable files, and properties that the client rejects."""
    values = kafka.values
    for name in sorted(OURS & {*values.properties, *values.properties_from_files}):
        message = "is set by the connector itself, because its guarantees depend on it"
        yield SettingsProblem(setting=f"kafka.{_holds(name, values)}.{name}", message=message)
    missing = dict(unreadable(values.properties_from_files))
    for name, message in missing.items():
        yield SettingsProblem(setting=f"kafka.properties_from_files.{name}", message=message)
    if not missing:
        yield from _client(values, facts)


def _client(values: model.KafkaSettings, facts: Facts) -> Iterator[SettingsProblem]:
    """Reports properties that the Kafka client rejects."""
    from_files = {name: file.read_text(encoding="utf-8").strip() for name, file in values.properties_from_files.items()}
    tried = {name: value for name, value in {**values.properties, **from_files}.items() if name not in OURS}
    for name, message in facts.client(tried) if tried else ():
        setting = f"kafka.{_holds(name, values)}.{name}" if name else "kafka.properties"
        # the client repeats a value that it rejects, and a value from a file may be a secret
        yield SettingsProblem(setting=setting, message=message.replace(from_files.get(name) or "\0", "***"))


def _holds(name: str, values: model.KafkaSettings) -> str:
    """Returns the table in which a property is set."""
    return "properties_from_files" if name in values.properties_from_files else "properties"


def _numbers(processing: PartialTable[model.ProcessingSettings]) -> Iterator[SettingsProblem]:
    """Checks that the numbers of [processing] are consistent."""
    if not processing.has("session", "lease", "call_deadline"):
        return
    try:
        policy(processing.values)
    except ValueError as error:
        yield SettingsProblem(setting="processing", message=str(error))


def _offers(offers: PartialTable[model.OfferSettings], targets: Any, facts: Facts) -> Iterator[SettingsProblem]:
    """Checks that the default target exists, and the bulk size against the API's limit."""
    known = sorted(targets) if isinstance(targets, Mapping) else []
    target, size = offers.values.default_target, offers.values.bulk_size
    if target is not None and target not in known:
        message = f"{target!r} is not a target; [targets] has: {', '.join(known) or 'none'}"
        yield SettingsProblem(setting="offers.default_target", message=message)
    if size > facts.bulk_limit:
        message = f"{size} is above the API's limit; expected at most {facts.bulk_limit}"
        yield SettingsProblem(setting="offers.bulk_size", message=message)


def _push(push: PartialTable[model.PushSettings]) -> Iterator[SettingsProblem]:
    """Reports a missing public URL."""
    if push.has("enabled", "public_url") and push.values.enabled and push.values.public_url is None:
        message = "is missing; it is needed to verify the marketplace's signature, which covers the address"
        yield SettingsProblem(setting="push.public_url", message=message)


def _console(console: PartialTable[model.ConsoleSettings]) -> Iterator[SettingsProblem]:
    """Reports what writing through the console lacks."""
    values = console.values
    if not console.has("write", "projection", "token_file") or values.write == "off":
        return
    if values.projection is None:
        message = f'is missing; console.write = "{values.write}" needs it to show what is held'
        yield SettingsProblem(setting="console.projection", message=message)
    if values.write == "token":
        try:
            good = len(console_token(values)) >= TOKEN_LENGTH
            message = f"has fewer than {TOKEN_LENGTH} characters"
        except SettingsError as failed:
            good, message = False, str(failed)
        if not good:
            yield SettingsProblem(setting="console.token_file", message=message)


def console_token(console: model.ConsoleSettings) -> str:
    """Returns the token of the console. Raises SettingsError if its file cannot be read."""
    if console.token_file is None:
        raise SettingsError('is missing; console.write = "token" needs it')
    return _source(console.token_file, None)().strip()


def _debugging(log: model.LogSettings, now: datetime) -> Iterator[SettingsProblem]:
    """Reports a ``bodies_until`` without an offset from UTC, or more than an hour ahead."""
    if log.bodies_until is None:
        return
    if log.bodies_until.tzinfo is None:
        yield SettingsProblem(
            setting="log.bodies_until", message="has no offset from UTC; expected for example 2026-01-31T06:00:00Z"
        )
    elif log.bodies_until > now + timedelta(hours=1):
        yield SettingsProblem(
            setting="log.bodies_until",
            message=f"{log.bodies_until} is more than an hour ahead; expected at most one hour",
        )


# ---- notes that do not prevent a start ------------------------------------------------------------------------------


def _ignored(settings: Settings, now: datetime) -> Iterator[str]:
    """Yields a note for each setting that has no effect because of others."""
    if settings.offers.mode == "single" and "bulk_size" in settings.offers.model_fields_set:
        yield 'offers.bulk_size: no effect while offers.mode = "single"'
    for name, account in settings.accounts.items():
        if settings.offers.mode == "single" and account.rate.linger:
            yield f'accounts.{name}.rate.linger: no effect while offers.mode = "single"'
        if account.rate.strict and "floor_per_second" in account.rate.model_fields_set:
            yield f"accounts.{name}.rate.floor_per_second: rarely reached while rate.strict = true"
    for name, target in settings.targets.items():
        if not target.enabled and {"price_sync", "allow_eans_file"} & target.model_fields_set:
            yield f"targets.{name}: price_sync and allow_eans_file have no effect while enabled = false"
    yield from _ignored_parts(settings)
    yield from _ignored_capabilities(settings)
    yield from _ignored_days(settings)
    yield from _ignored_stock(settings)
    yield from _ignored_orders(settings)
    if settings.log.bodies_until is not None and settings.log.bodies_until <= now:
        yield "log.bodies_until: is in the past; no bodies are logged"
    if not settings.health.enabled and {"host", "port"} & settings.health.model_fields_set:
        yield "health.host, health.port: no effect while enabled = false"
    if not settings.console.enabled and settings.console.model_fields_set - {"enabled"}:
        yield "console: its other settings have no effect while enabled = false"


def _ignored_capabilities(settings: Settings) -> Iterator[str]:
    """Reports capabilities that only an account or only a target names: they are off."""
    for name, target in settings.targets.items():
        off = sorted(set(target.capabilities) - set(settings.accounts[target.account].capabilities))
        if off:
            yield (
                f"targets.{name}.capabilities: {', '.join(off)} is off, because "
                f"accounts.{target.account}.capabilities does not name it"
            )
        if target.create.model_fields_set and Capability.OFFERS_CREATE not in target.capabilities:
            yield f"targets.{name}.create: no effect while capabilities does not name {Capability.OFFERS_CREATE}"
        if target.convert.model_fields_set and Capability.PRICES_CONVERT not in target.capabilities:
            yield f"targets.{name}.convert: no effect while capabilities does not name {Capability.PRICES_CONVERT}"
    for name, account in settings.accounts.items():
        named = {one for target in settings.targets.values() if target.account == name for one in target.capabilities}
        idle = sorted(set(account.capabilities) - named)
        if idle:
            yield f"accounts.{name}.capabilities: {', '.join(idle)} is off, because no target of the account names it"


def _ignored_days(settings: Settings) -> Iterator[str]:
    for name, account in settings.accounts.items():
        if account.requests_per_day is None and "day_time_zone" in account.model_fields_set:
            yield f"accounts.{name}.day_time_zone: no effect while requests_per_day is not set"


def _ignored_stock(settings: Settings) -> Iterator[str]:
    if settings.offers.max_stock is None and "stock_above_max" in settings.offers.model_fields_set:
        yield "offers.stock_above_max: no effect while offers.max_stock is not set"


def _off_sale(settings: Settings) -> Iterator[str]:
    """Reports stock rules that leave nothing to sell."""
    top = settings.offers.max_stock
    if top == 0:
        yield "offers.max_stock: 0 takes every offer off sale: only stock 0 is ever sent"
    for name, target in settings.targets.items():
        rules = {f"targets.{name}": target} | {
            f"targets.{name}.stock_rules.{number}": rule for number, rule in enumerate(target.stock_rules)
        }
        for where, rule in rules.items():
            if rule.show_at_most == 0:
                yield f"{where}.show_at_most: 0 takes the offers that it applies to off sale: stock 0 is sent for them"
            if rule.buffer_pct == 100:
                yield f"{where}.buffer_pct: 100 takes the offers that it applies to off sale: stock 0 is sent for them"
            if top and rule.keep is not None and rule.keep >= top:
                yield (
                    f"{where}.keep: {rule.keep} pieces of at most {top} (offers.max_stock) are kept back, "
                    "which takes the offers that it applies to off sale: stock 0 is sent for them"
                )
    for name, account in settings.accounts.items():
        if account.buffer_pct == 100:
            yield f"accounts.{name}.buffer_pct: 100 takes the account's offers off sale: stock 0 is sent for them"


def _ignored_orders(settings: Settings) -> Iterator[str]:
    for source, order in settings.offers.order_by_source.items():
        if order == settings.offers.order:
            yield f'offers.order_by_source."{source}": no effect, because offers.order is "{order}" already'


def _ignored_parts(settings: Settings) -> Iterator[str]:
    """Reports settings of disabled features."""
    for name, section in (
        ("shipments", settings.shipments),
        ("orders", settings.orders),
        ("reconcile", settings.reconcile),
        ("push", settings.push),
    ):
        written = sorted(section.model_fields_set - {"enabled"})
        if written and not section.enabled:
            yield f"{', '.join(f'{name}.{setting}' for setting in written)}: no effect while {name}.enabled = false"
    for name, account in settings.accounts.items():
        if account.order_interval is not None and not (settings.orders.enabled and account.orders):
            yield f"accounts.{name}.order_interval: no effect while its orders are not polled"
    reconcile = settings.reconcile
    if reconcile.enabled and reconcile.repair_lower_stock and reconcile.stock == "report":
        yield 'reconcile.repair_lower_stock: no effect while reconcile.stock = "report"'
    if reconcile.enabled and reconcile.repair_lower_stock and not settings.orders.enabled:
        yield "reconcile.repair_lower_stock: no effect while orders.enabled = false"
    if settings.push.enabled and not settings.orders.enabled:
        yield "push: no effect while orders.enabled = false"
    if settings.orders.default_customer_number is not None and not settings.orders.create_sales_orders:
        yield "orders.default_customer_number: no effect while orders.create_sales_orders = false"


def _order_warnings(offers: OfferSettings) -> Iterator[str]:
    """Warns of misspelt names: the connector learns the sources from their events only, so it cannot check them."""
    names = sorted(offers.order_by_source)
    for source in names:
        if not source.strip() or source != source.strip():
            yield f'offers.order_by_source."{source}": the name is empty or has leading or trailing spaces'
    if names:
        yield (
            "offers.order_by_source: names must match the source in the events exactly "
            f'({", ".join(names)}); every other source is ordered by "{offers.order}"'
        )
    if "sequence" in (offers.order, *offers.order_by_source.values()):
        yield (
            "offers.order, offers.order_by_source: events without a sequence are REJECTED (SEQUENCE_MISSING) for "
            "sources ordered by it, and a source that restarts its count is late until it passes its last number"
        )


def _warnings(settings: Settings, facts: Facts) -> Iterator[str]:
    """Yields notes about valid settings that need attention."""
    yield from _order_warnings(settings.offers)
    yield from connection_notes(settings)
    if settings.orders.enabled and settings.orders.contacts:
        yield "orders.contacts: personal data is written; give its topic separate permissions and a short retention"
    for name, account in settings.accounts.items():
        for notice in facts.keys(*key_sources(account)):
            yield f"accounts.{name}: {notice}"


def _message(file: Path | None, problems: Sequence[SettingsProblem]) -> str:
    """Returns the error message, with one line per problem."""
    where = (
        f"in {file}"
        if file is not None
        else "in the environment (no configuration file was given; use --config or CONNECTOR_CONFIG)"
    )
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    return "\n".join([f"{count} {where}:", *(f"  {problem}" for problem in problems)])
