"""Implements ``connector check``: checks everything before going live; prints status, reason and remedy of each check.

Every check runs, whatever the others found, so that one run reports all problems. Nothing is written.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Protocol

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from connector.contracts.capabilities import WRITES, Capability
from connector.contracts.event_time import moment
from connector.contracts.microseconds import us
from connector.contracts.topic_checks import Limits, Needs, TopicFinding, denied, findings, named
from connector.contracts.topics import Topics, manifest
from connector.flows import inputs
from connector.mappings.rates import NO_RATES, Rates
from connector.marketplace.offers import Health
from connector.operations.routing import REMEDY
from connector.reconciliation.policy import calls_for
from connector.routing.table import Routing
from connector.settings.convert import capabilities_on, offer_policy, policy
from connector.settings.duration import written
from connector.settings.load import Loaded
from connector.settings.model import CreateSettings, Settings
from streams.errors import NotPermitted, RegistryDenied, RegistryDown, SchemaUnknown, SourceFailed, Stopped, StreamError
from streams.http.address_secrets import without_secrets
from streams.topics import TopicDescription

SKEW_WARNING_S = 30.0
"""A tenth of the difference that the marketplace tolerates in a signature; a synchronised clock is never so far off."""


BROKER_REMEDY = "check that the broker is running, and [kafka] bootstrap_servers and properties (TLS, SASL)"


REGISTRY_REMEDY = "check that the registry is running, and [registry] url"


PERMISSIONS_REMEDY = "grant the permissions that `connector topics` prints"


class CheckStatus(StrEnum):
    """The status of one check; only BAD fails the command."""

    GOOD = "ok"
    NOTE = "note"
    BAD = "FAILED"


FIRST_PRICE_REMEDY: Final = "set price_step_pct, or price_floor and price_ceiling, of the target"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRow:
    """The result of one check."""

    subject: str
    verdict: CheckStatus
    reason: str
    remedy: str = ""


class BrokerQueries(Protocol):
    """The queries of ``check`` to the broker. They raise SourceFailed if no broker responds."""

    def cluster_id(self) -> str: ...

    def describe(self, names: Sequence[str]) -> Mapping[str, TopicDescription]: ...

    def allowed_on_group(self, group: str) -> frozenset[str] | None: ...

    def committed_by(self, group: str, partitions: Mapping[str, int]) -> Mapping[str, int]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckInputs:
    """The objects that the checks query.

    ``moved`` returns a message for each target id whose meaning differs from the accepted routing; it raises
    SourceFailed or NotPermitted if that routing cannot be read, RegistryDown or RegistryDenied if its schema cannot,
    and Stopped if its record is invalid. ``subjects`` looks up the ids of our schemas; it raises RegistryDown,
    RegistryDenied or SchemaUnknown. ``collector`` returns why the collector of traces takes none; "" = it does.
    """

    loaded: Loaded
    topics: Topics
    limits: Limits
    needs: Needs
    routing: Routing
    storefronts: Mapping[str, str]  # of the reference data, with their currencies
    broker: BrokerQueries
    moved: Callable[[], Sequence[str]]
    subjects: Callable[[], object]
    marketplace: Callable[[str], Health]
    collector: Callable[[], str]
    version: str  # of this program
    rates: Rates = NO_RATES
    now_us: int = 0


def check(parts: CheckInputs) -> list[CheckRow]:
    """Runs all checks and returns their results."""
    return [
        *_configuration(parts),
        *_switches(parts),
        _egress(parts.loaded),
        *_broker(parts),
        *_registry(parts),
        *_traces(parts),
        *(row for account in sorted(parts.loaded.settings.accounts) for row in _account(parts, account)),
    ]


def report(console: Console, rows: Sequence[CheckRow]) -> bool:
    """Prints the results as a table. Returns whether no check failed."""
    colours = {CheckStatus.GOOD: "green", CheckStatus.NOTE: "yellow", CheckStatus.BAD: "red"}
    table = Table("subject", "status", "reason", "remedy")
    for row in rows:
        table.add_row(
            escape(row.subject),
            f"[{colours[row.verdict]}]{row.verdict.value}[/]",
            escape(row.reason),
            escape(row.remedy),
        )
    console.print(table)
    bad = sum(row.verdict is CheckStatus.BAD for row in rows)
    console.print("[green]Ready to run.[/]" if not bad else f"[red]{bad} of {len(rows)} failed.[/]")
    return passed(rows)


def passed(rows: Sequence[CheckRow]) -> bool:
    """Returns whether no check failed."""
    return all(row.verdict is not CheckStatus.BAD for row in rows)


def document(rows: Sequence[CheckRow]) -> dict[str, Any]:
    """Returns the results for ``--json``; a status is ok, note or failed."""
    checks = [
        {
            "subject": row.subject,
            "status": row.verdict.value.lower(),
            "reason": row.reason,
            "remedy": row.remedy or None,
        }
        for row in rows
    ]
    return {"ready": passed(rows), "checks": checks}


def _configuration(parts: CheckInputs) -> Iterator[CheckRow]:
    """Reports the notes about the settings; invalid settings fail before any check."""
    loaded = parts.loaded
    yield CheckRow(subject="configuration", verdict=CheckStatus.GOOD, reason=f"{loaded.file or 'environment'} is valid")
    for line in (*loaded.ignored, *loaded.warnings):
        setting, _, message = line.partition(": ")
        reason, _, remedy = message.partition(" Remedy: ")
        yield CheckRow(subject=setting, verdict=CheckStatus.NOTE, reason=reason, remedy=remedy)


def _switches(parts: CheckInputs) -> Iterator[CheckRow]:
    """Reports which features are enabled for which accounts, so that an operator notices an excluded account."""
    settings = parts.loaded.settings
    accounts = sorted(settings.accounts.items())
    unknown = "sent as Other" if settings.shipments.unknown_carrier == "other" else "REJECTED"
    shipping = [name for name, account in accounts if account.shipments]
    polled = [
        f"{name} every {written(account.order_interval or settings.orders.interval)}"
        for name, account in accounts
        if account.orders
    ]
    yield _switch("shipments", shipping, f"unknown carriers are {unknown}", is_on=settings.shipments.enabled)
    yield _switch("orders", polled, _additional_data(settings), is_on=settings.orders.enabled)
    yield from _capabilities(settings)
    yield from _rates(parts)
    yield from _daily_budgets(settings)
    yield from _guard_rails(settings)
    yield from _sweeps(settings)
    if settings.orders.enabled and settings.push.enabled:
        url = without_secrets(settings.push.public_url or "")
        reason = f"enabled: {url}/<account> must lead to {settings.push.host}:{settings.push.port}"
        yield CheckRow(subject="push", verdict=CheckStatus.GOOD, reason=reason)


def _capabilities(settings: Settings) -> Iterator[CheckRow]:
    """Reports what may be done beyond updates, for which targets; of what is off, no more than that it is."""
    on = capabilities_on(settings)
    for capability, names in on.items():
        many = (
            [f"{name}: {_creatable(settings.targets[name].create)}" for name in names]
            if capability is Capability.OFFERS_CREATE
            else names
        )
        yield CheckRow(
            subject=capability,
            verdict=CheckStatus.GOOD,
            reason=f"enabled: {WRITES[capability]}; {'; '.join(many)}",
        )
    if not on:
        reason = "off: nothing is created or deleted; capabilities of [accounts] and [targets] switches it on"
        yield CheckRow(subject="capabilities", verdict=CheckStatus.GOOD, reason=reason)


def _rates(parts: CheckInputs) -> Iterator[CheckRow]:
    """Reports the rates with which each target converts prices, and those that it would not use now."""
    settings = parts.loaded.settings
    rules = offer_policy(settings)
    for name in capabilities_on(settings).get(Capability.PRICES_CONVERT, ()):
        target = settings.targets[name]
        to = parts.storefronts.get(target.storefront, "")
        found = {of: rate for of, code in parts.rates.pairs if code == to and (rate := parts.rates.find(of, code))}
        told = ", ".join(
            f"{of}/{to} {rate.value} of {moment(rate.at_us)} ({rate.source})" for of, rate in sorted(found.items())
        )
        since_us = parts.now_us - us(target.convert.max_age)
        until_us = parts.now_us + us(rules.future_limit_s)
        unusable = [f"{of}/{to}" for of, rate in sorted(found.items()) if not since_us <= rate.at_us <= until_us]
        problems = [] if found else [f"no rate converts to {to}: such prices are REJECTED"]
        if unusable:
            age = written(target.convert.max_age)
            problems.append(f"{', '.join(unusable)} is older than {age}, or in the future: such prices are REJECTED")
        remedy = "update the file of mappings.rates_file" if problems else FIRST_PRICE_REMEDY
        if name not in rules.price_rails:
            problems.append("no guard rail judges the first converted price of an offer")
        yield CheckRow(
            subject=f"targets.{name}.convert",
            verdict=CheckStatus.NOTE if problems else CheckStatus.GOOD,
            reason="; ".join(filter(None, (*problems, told))),
            remedy=remedy if problems else "",
        )


def _creatable(create: CreateSettings) -> str:
    return "every EAN" if create.all_eans else f"the EANs of {create.eans_file}"


def _daily_budgets(settings: Settings) -> Iterator[CheckRow]:
    """Reports the daily budget of each account, with how long it lasts at the account's rate."""
    off = []
    for name, account in sorted(settings.accounts.items()):
        calls = account.requests_per_day
        if calls is None:
            off.append(name)
            continue
        lasts = written(round(calls / account.requests_per_second))
        yield CheckRow(
            subject="daily budget",
            verdict=CheckStatus.GOOD,
            reason=f"{name}: {calls:,} calls a day ({account.day_time_zone}), {account.rate.reserve:.0%} of them for "
            f"the command line; at {account.requests_per_second:g}/s they last {lasts}",
        )
    if off:
        reason = f"off for {', '.join(off)}; requests_per_day of [accounts] limits the calls of a day"
        yield CheckRow(subject="daily budget", verdict=CheckStatus.GOOD, reason=reason)


def _guard_rails(settings: Settings) -> Iterator[CheckRow]:
    """Reports the guard rails of prices, and a note with the targets that have none."""
    guards, windows = settings.guards, []
    if guards.zeroed_share_pct is not None:
        windows.append(f"{guards.zeroed_share_pct:g} % set to zero in {written(guards.zeroed_window)}")
    if guards.changed_price_share_pct is not None:
        windows.append(f"{guards.changed_price_share_pct:g} % of the prices in {written(guards.changed_price_window)}")
    if windows:
        yield CheckRow(subject="guard rails", verdict=CheckStatus.GOOD, reason=f"each source: {', '.join(windows)}")
    else:
        yield CheckRow(
            subject="guard rails",
            verdict=CheckStatus.NOTE,
            reason="off: a source may set every offer to zero, and change every price, at once",
            remedy="set zeroed_share_pct or changed_price_share_pct of [guards]",
        )
    off = []
    for name, target in sorted(settings.targets.items()):
        limits = {
            "step": target.price_step_pct and f"{target.price_step_pct:g} %",
            "floor": target.price_floor,
            "ceiling": target.price_ceiling,
        }
        given = [f"{what} {limit}" for what, limit in limits.items() if limit is not None]
        given += [f"{len(target.price_limits)} by attribute"] if target.price_limits else []
        if given:
            yield CheckRow(subject="guard rails", verdict=CheckStatus.GOOD, reason=f"{name}: price {', '.join(given)}")
        else:
            off.append(name)
    if off:
        yield CheckRow(
            subject="guard rails",
            verdict=CheckStatus.NOTE,
            reason=f"off for {', '.join(off)}: a price is sent however far it is from the last one",
            remedy="set price_step_pct, price_floor or price_ceiling of [targets]",
        )


_MILLION: Final = 1_000_000
"""Units in the arithmetic that an operator reads."""


def _sweeps(settings: Settings) -> Iterator[CheckRow]:
    """Reports what is swept, and how long a sweep of a million units takes at the account's rate."""
    if not settings.reconcile.enabled:
        yield _switch("reconcile", (), "", is_on=False)
        return
    places: dict[str, set[str]] = {}
    for target in settings.targets.values():
        if target.enabled:
            places.setdefault(target.account, set()).add(target.storefront)
    calls, share = calls_for(_MILLION), policy(settings.processing).background_share
    for name, storefronts in sorted(places.items()):
        rate = settings.accounts[name].requests_per_second
        idle, busy = (written(round(calls / per_second)) for per_second in (rate, rate * share))
        yield CheckRow(
            subject="reconcile",
            verdict=CheckStatus.GOOD,
            reason=f"enabled: account {name} on {', '.join(sorted(storefronts))} every "
            f"{written(settings.reconcile.interval)}; {_MILLION:,} units are {calls:,} calls: {idle} at {rate:g}/s, "
            f"{busy} while events use the rest of the rate",
        )
        yield _cold_start(settings, name, rate)


_SWEPT: Final = 100_000
_UNKNOWN: Final = 20_000
"""Units of a storefront, and EANs that nothing is known of, in that arithmetic."""


def _cold_start(settings: Settings, account: str, rate: float) -> CheckRow:
    """Reports what a sweep saves at a cold start, by the account's rate alone."""
    calls = calls_for(_SWEPT)
    swept, looked_up = (written(round(count / rate)) for count in (calls, _UNKNOWN))
    way = (
        "offers that are not known when a sweep begins wait for it if that takes less time than their look-ups"
        if settings.reconcile.cold_start == "auto"
        else 'offers that are not known are looked up; cold_start = "auto" uses a sweep where that takes less time'
    )
    return CheckRow(
        subject="cold start",
        verdict=CheckStatus.GOOD,
        reason=f"account {account}: {way}. {_UNKNOWN:,} unknown EANs, of {_SWEPT:,} units, are {calls:,} calls "
        f"({swept} at {rate:g}/s) by a sweep and {_UNKNOWN:,} ({looked_up}) by look-ups",
    )


def _switch(part: str, accounts: Sequence[str], details: str, *, is_on: bool) -> CheckRow:
    if not is_on:
        return CheckRow(
            subject=part, verdict=CheckStatus.GOOD, reason=f"disabled; [{part}] enabled = true enables them"
        )
    if not accounts:
        remedy = f"[accounts.NAME] {part} = true, or [{part}] enabled = false"
        return CheckRow(
            subject=part, verdict=CheckStatus.NOTE, reason="enabled, but no account uses them", remedy=remedy
        )
    several = "s" if len(accounts) > 1 else ""
    return CheckRow(
        subject=part, verdict=CheckStatus.GOOD, reason=f"enabled: account{several} {', '.join(accounts)}; {details}"
    )


def _additional_data(settings: Settings) -> str:
    """Describes which data is read in addition to orders."""
    orders = settings.orders
    also = {"returns": orders.returns, "sales orders": orders.create_sales_orders, "PERSONAL DATA": orders.contacts}
    names = ", ".join(name for name, is_on in also.items() if is_on)
    return f"also {names}" if names else "no personal data, no returns"


def _egress(loaded: Loaded) -> CheckRow:
    """Reports the proxy and the CA certificates in use; the rows of accounts and registry show whether they work."""
    http = loaded.settings.http
    used = http.proxy is not None and http.proxy != "none"
    proxy = f"https through the proxy {without_secrets(http.proxy or '')}" if used else "no proxy"
    except_for = f", but {', '.join(http.no_proxy)} directly" if used and http.no_proxy else ""
    ca = f"CA certificates of {http.ca_file}" if http.ca_file is not None else "the shipped CA certificates"
    variables = sorted({variable for name, variable in loaded.sources.items() if name.startswith("http.")})
    source = f" (from {', '.join(variables)} of the environment)" if variables else ""
    return CheckRow(subject="http", verdict=CheckStatus.GOOD, reason=f"{proxy}{except_for}; {ca}{source}")


def _broker(parts: CheckInputs) -> Iterator[CheckRow]:
    """Checks the broker, the topics, the permissions and the accepted routing."""
    address = parts.loaded.settings.kafka.bootstrap_servers
    try:
        cluster = parts.broker.cluster_id()
        there = parts.broker.describe(named(parts.topics, parts.needs))
        group = parts.broker.allowed_on_group(parts.loaded.settings.kafka.group)
    except SourceFailed as failed:
        yield _failed(f"broker {address}", failed, BROKER_REMEDY)
        return
    yield CheckRow(subject=f"broker {address}", verdict=CheckStatus.GOOD, reason=f"cluster {cluster}")
    found = [*denied(parts.needs, there, group), *findings(parts.topics, there, parts.limits)]
    yield from map(_finding, found)
    wrong = {finding.topic for finding in found}
    for topic in manifest(parts.topics):
        if topic.name not in wrong:
            yield _good(topic.name, there[topic.name])
    yield from _versions(parts, {name: there[name].partitions for name in inputs(parts.topics) if name in there})
    routing = there.get(parts.topics.routing)
    if routing is not None and (routing.allowed is None or "Read" in routing.allowed):
        yield from _routing(parts)


def _versions(parts: CheckInputs, partitions: Mapping[str, int]) -> Iterator[CheckRow]:
    """Reports which versions commit the partitions of the inputs; several are a note, as in a rolling upgrade."""
    try:
        found = parts.broker.committed_by(parts.loaded.settings.kafka.group, partitions)
    except (SourceFailed, NotPermitted):  # the permissions on the group have a row of their own
        return
    if not found:
        return
    told = ", ".join(f"{count} by {version or BEFORE_MARKS_NAMED_IT}" for version, count in sorted(found.items()))
    others = found.keys() - {parts.version}
    yield CheckRow(
        subject="versions",
        verdict=CheckStatus.NOTE if others else CheckStatus.GOOD,
        reason=f"partitions of the inputs committed last: {told}; this is {parts.version}",
        remedy="" if not others else MIXED if len(found) > 1 else DIFFERENT,
    )


BEFORE_MARKS_NAMED_IT: Final = "a version before 0.2.0"
MIXED: Final = "finish the upgrade: restart the processes of the other version, one after the other"
DIFFERENT: Final = "none during an upgrade, whose order is in docs/operations.md; else check with the version that runs"


def _finding(finding: TopicFinding) -> CheckRow:
    verdict = CheckStatus.BAD if finding.is_error else CheckStatus.NOTE
    return CheckRow(subject=finding.topic, verdict=verdict, reason=finding.message, remedy=finding.remedy)


def _good(topic: str, described: TopicDescription) -> CheckRow:
    several = "s" if described.partitions > 1 else ""
    reason = f"{described.partitions} partition{several}" + (
        "" if described.config else "; its settings cannot be read (DescribeConfigs)"
    )
    return CheckRow(subject=topic, verdict=CheckStatus.GOOD, reason=reason)


def _failed(subject: str, error: StreamError, remedy: str) -> CheckRow:
    """Reports a failure with the error's own remedy, else with ``remedy``."""
    reason, _, own = str(error).partition(" Remedy: ")
    return CheckRow(subject=subject, verdict=CheckStatus.BAD, reason=reason, remedy=own or remedy)


def _routing(parts: CheckInputs) -> Iterator[CheckRow]:
    """Compares the routing with the accepted one. Accepting it is the remedy only if the accepted one could be read."""
    try:
        changed = parts.moved()
    except SourceFailed as failed:
        yield _failed("routing", failed, BROKER_REMEDY)
        return
    except NotPermitted as failed:
        yield CheckRow(subject="routing", verdict=CheckStatus.BAD, reason=str(failed), remedy=PERMISSIONS_REMEDY)
        return
    except (RegistryDown, RegistryDenied) as failed:
        yield _failed("routing", failed, REGISTRY_REMEDY)
        return
    except Stopped as failed:
        yield CheckRow(subject="routing", verdict=CheckStatus.BAD, reason=str(failed), remedy=REMEDY)
        return
    for line in changed:
        yield CheckRow(subject="routing", verdict=CheckStatus.BAD, reason=line, remedy=REMEDY)
    if not changed:
        yield CheckRow(subject="routing", verdict=CheckStatus.GOOD, reason="every target is as accepted")


def _registry(parts: CheckInputs) -> Iterator[CheckRow]:
    """Checks that the registry has the schema of every output."""
    subject = f"registry {without_secrets(parts.loaded.settings.registry.url)}"
    try:
        parts.subjects()
    except (RegistryDown, RegistryDenied) as failed:
        yield _failed(subject, failed, REGISTRY_REMEDY)
    except SchemaUnknown as unknown:
        yield CheckRow(
            subject=subject, verdict=CheckStatus.BAD, reason=str(unknown), remedy="connector schemas register"
        )
    else:
        yield CheckRow(subject=subject, verdict=CheckStatus.GOOD, reason="has the schema of every output")


def _traces(parts: CheckInputs) -> Iterator[CheckRow]:
    """Reports what is traced, and whether the collector answers; the connector runs without it, so it is a note."""
    traces = parts.loaded.settings.traces
    if not traces.enabled:
        return
    problem, _, known = parts.collector().partition(" Remedy: ")
    remedy = known or "check that the collector is running, and [traces] endpoint and headers_file"
    source = parts.loaded.sources.get("traces.endpoint")
    where = without_secrets(traces.endpoint) + (f" (from {source} of the environment)" if source else "")
    yield CheckRow(
        subject="traces",
        verdict=CheckStatus.NOTE if problem else CheckStatus.GOOD,
        reason=f"{traces.ratio:.0%} of the traces that begin here, to {where}" + (f": {problem}" if problem else ""),
        remedy=remedy if problem else "",
    )


def _account(parts: CheckInputs, account: str) -> Iterator[CheckRow]:
    """Checks an account's connection and keys, its clock, and the storefronts of its targets."""
    health = parts.marketplace(account)
    subject = f"account {account}"
    if not health.authenticated:
        remedy = (
            "Seller Portal: Settings > API Access; creating new keys invalidates the old ones at once"
            if health.reachable
            else "check that this machine can reach the marketplace: firewall, DNS, and [http] proxy if there is one"
        )
        reason, _, own = health.message.partition(" Remedy: ")
        yield CheckRow(subject=subject, verdict=CheckStatus.BAD, reason=reason, remedy=own or remedy)
        return
    detail = "; ".join(f"{name} {value}" for name, value in health.detail.items())
    yield CheckRow(subject=subject, verdict=CheckStatus.GOOD, reason=f"{health.message}; {detail}".removesuffix("; "))
    yield from _clock(subject, health.clock_skew_s)
    if health.storefronts:
        yield from _storefronts(parts.routing, account, health.storefronts)
        yield from _account_storefronts(parts.storefronts, account, health.storefronts)


def _clock(subject: str, skew_s: float | None) -> Iterator[CheckRow]:
    """Reports the clock skew; a large one is a note, because signatures are corrected for it."""
    if skew_s is None:
        return
    off = abs(skew_s) > SKEW_WARNING_S
    yield CheckRow(
        subject=f"{subject}, clock",
        verdict=CheckStatus.NOTE if off else CheckStatus.GOOD,
        reason=f"{skew_s:+.1f} s from the marketplace's clock",
        remedy="synchronise this machine's clock (NTP); calls are signed with the corrected time" if off else "",
    )


def _storefronts(routing: Routing, account: str, seen: Sequence[str]) -> Iterator[CheckRow]:
    """Checks that the account sells on the storefront of each of its targets."""
    for target in sorted(routing.targets.values(), key=lambda target: target.id):
        if target.account == account:
            there = target.storefront in seen
            yield CheckRow(
                subject=f"target {target.id}",
                verdict=CheckStatus.GOOD if there else CheckStatus.BAD,
                reason=f"storefront {target.storefront} is {'open' if there else 'not open'} to account {account}",
                remedy="" if there else f"the account sells on: {', '.join(sorted(seen))}",
            )


def _account_storefronts(known: Mapping[str, str], account: str, seen: Sequence[str]) -> Iterator[CheckRow]:
    """Lists the storefronts that the marketplace has opened to an account; those without reference data are a note."""
    without = sorted(set(seen) - set(known))
    listed = ", ".join(f"{code} ({known[code]})" for code in sorted(set(seen) & set(known)))
    yield CheckRow(
        subject=f"account {account}, storefronts",
        verdict=CheckStatus.NOTE if without else CheckStatus.GOOD,
        reason=f"open: {listed or 'none that is known'}"
        + (f"; also {', '.join(without)}, without reference data" if without else ""),
        remedy="add storefront, currency and price ceiling to [mappings] reference_file" if without else "",
    )
