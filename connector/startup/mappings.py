"""Builds what is read again while the process runs: mappings of files, switches and guard rails of the settings."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, Protocol

import structlog

from connector.contracts.capabilities import Capability
from connector.mappings import contents
from connector.mappings.file_watch import FileWatch
from connector.mappings.in_use import MappingsInUse
from connector.mappings.overrides import NO_OVERRIDES, Overrides
from connector.mappings.rates import NO_RATES, Rates, parse_rates
from connector.mappings.watched_file import WatchedFile
from connector.marketplace.offers import Reference
from connector.offers.policy import OfferPolicy
from connector.settings import convert
from connector.settings.model import Settings

FEW_EANS: Final = 10
"""So many EANs may be removed from a file at once, however short it is."""

_log = structlog.get_logger("connector")


class ReferenceHolder(Protocol):
    """The marketplace's adapter, as the holder of reference data that changes with its file."""

    def reference(self) -> Reference: ...

    def parse_reference(self, content: bytes) -> Any:
        """Returns reference data for ``use_reference``. Raises ValueError if it is not valid, or needs a restart."""
        ...

    def use_reference(self, parsed: Any) -> None:
        """Uses other reference data from the next call on. Any thread."""
        ...


class LiveMappings:
    """A ``MappingSource`` of settings and of the files that they name."""

    def __init__(self, configured: Settings, holder: ReferenceHolder, *, dry_run: bool = False) -> None:
        """Raises OSError and ValueError for a file that has become unreadable since the settings were checked."""
        self._configured = configured
        self._dry_run = dry_run
        self._policy = convert.offer_policy(configured, dry_run=dry_run)
        self._digest = ""
        self._holder = holder
        self._carriers = _carriers_file(configured)
        self._table = _reference_file(configured, holder)
        self._overrides = _overrides_file(configured, holder)
        self._rates = _rates_file(configured)
        self._allowed = dict(_allow_lists(configured))
        self._creatable = dict(_create_lists(configured))
        self.files: Final[tuple[WatchedFile[Any], ...]] = (
            *(file for file in (self._carriers, self._table, self._overrides, self._rates) if file is not None),
            *self._allowed.values(),
            *self._creatable.values(),
        )
        self._in_use = self._collected()
        if self._overrides is not None:
            self._log_overrides(self._overrides)

    @property
    def in_use(self) -> MappingsInUse:
        return self._in_use

    def policy(self) -> OfferPolicy:
        """Returns the offer flow's policy with the guard rails in use. Any thread."""
        return self._policy

    def use(self, found: Settings, config_digest: str) -> None:
        """Uses the switches of targets and the guard rails of other settings. ``config_digest``: that of results."""
        self._configured = self._configured.model_copy(update={"targets": found.targets, "guards": found.guards})
        self._policy = convert.offer_policy(self._configured, dry_run=self._dry_run)
        self._digest = config_digest
        before, self._in_use = self._in_use, self._collected()
        on = [name for name, target in self._in_use.routing.targets.items() if target.enabled]
        switched_on = [name for name in on if not before.routing.targets[name].enabled]
        if switched_on and self._configured.reconcile.enabled:
            _log.warning(
                "targets that were switched on are swept after the next start of the process that sweeps",
                targets=switched_on,
                remedy="restart the processes one after the other",
            )

    def watch(self) -> FileWatch:
        """Returns the follower that looks at the files; it takes changes over and logs them."""
        return FileWatch(self.files, self._take_over)

    def problems(self) -> Mapping[str, str]:
        """Returns, for each file by its setting, why its present content is not in use; empty = it is. Any thread."""
        return {file.setting: file.problem for file in self.files}

    def _take_over(self, changed: WatchedFile[Any]) -> None:
        if changed.problem:
            _log.error(
                "a changed file is refused; its last valid content stays in use",
                setting=changed.setting,
                file=str(changed.path),
                reason=changed.problem,
            )
            return
        if changed is self._table:
            self._holder.use_reference(changed.current)
        before, self._in_use = self._in_use, self._collected()
        _log.info("a file was read again", setting=changed.setting, file=str(changed.path))
        buffers = before.overrides.changed_buffers(self._in_use.overrides) if changed is self._overrides else 0
        if buffers:
            _log.warning(
                "buffers of the stock have changed: what the marketplace has keeps the old ones until the next event",
                eans=buffers,
                remedy="send the stock of these EANs in new events, or replay them: connector replay plan --eans-file",
            )

    def _log_overrides(self, file: WatchedFile[Overrides]) -> None:
        """Says how many there are at a start, where nothing tells whether a valid file is complete."""
        eans = len(file.current.eans)
        if eans:
            _log.info("overrides are in use", file=str(file.path), eans=eans)
        else:
            _log.warning("the file of overrides has no EAN: there is no floor, buffer or hold", file=str(file.path))

    def _collected(self) -> MappingsInUse:
        reference = self._holder.reference()
        currencies = {code: currency.code for code, currency in reference.storefronts.items()}
        lists = {target: file.current for target, file in self._allowed.items()}
        creatable = {target: file.current for target, file in self._creatable.items()}
        aliases = self._configured.shipments.carriers
        return MappingsInUse(
            routing=convert.routing(
                self._configured.targets, currencies, lists, creatable, convert.capabilities(self._configured)
            ),
            reference=reference,
            overrides=self._overrides.current if self._overrides is not None else NO_OVERRIDES,
            rates=self._rates.current if self._rates is not None else NO_RATES,
            carriers={**aliases, **self._carriers.current} if self._carriers is not None else aliases,
            config_digest=self._digest,
        )


def _carriers_file(configured: Settings) -> WatchedFile[Mapping[str, str]] | None:
    path = configured.shipments.carriers_file
    return WatchedFile("shipments.carriers_file", path, contents.carriers) if path is not None else None


def _reference_file(configured: Settings, holder: ReferenceHolder) -> WatchedFile[Any] | None:
    path = configured.mappings.reference_file
    return WatchedFile("mappings.reference_file", path, holder.parse_reference) if path is not None else None


def _overrides_file(configured: Settings, holder: ReferenceHolder) -> WatchedFile[Overrides] | None:
    def parse(content: bytes) -> Overrides:
        currencies = {code: currency.code for code, currency in holder.reference().storefronts.items()}
        return convert.overrides(content, configured.targets, currencies)

    path = configured.mappings.overrides_file
    setting = "mappings.overrides_file"
    return WatchedFile(setting, path, parse, _keeps_most_overrides) if path is not None else None


def _keeps_most_overrides(before: Overrides, after: Overrides) -> None:
    remedy = "keep the lines of EANs without an override, with nothing but the EAN, until the next restart"
    _keeps_most(before.eans, after.eans, "floors and holds of the others would be gone", remedy)


def _rates_file(configured: Settings) -> WatchedFile[Rates] | None:
    path = configured.mappings.rates_file
    return WatchedFile("mappings.rates_file", path, parse_rates, _keeps_all_pairs) if path is not None else None


def _keeps_all_pairs(before: Rates, after: Rates) -> None:
    """Raises ValueError for a file that lacks rates that are in use: prices would be rejected for want of them."""
    lost = sorted("/".join(pair) for pair in set(before.pairs) - set(after.pairs))
    if lost:
        raise ValueError(
            f"it lacks {', '.join(lost[:FEW_EANS])}, in use until now: it may not be complete, and prices in these "
            "currencies would be rejected. If it is complete, restart the processes"
        )


def _allow_lists(configured: Settings) -> Iterator[tuple[str, WatchedFile[frozenset[str]]]]:
    """Yields the allow-list of each target that has one."""
    for name, target in configured.targets.items():
        if target.allow_eans_file is not None:
            setting = f"targets.{name}.allow_eans_file"
            yield name, WatchedFile(setting, target.allow_eans_file, _eans, _keeps_most_allowed)


def _create_lists(configured: Settings) -> Iterator[tuple[str, WatchedFile[frozenset[str]]]]:
    """Yields the list of EANs that may be created, of each target that may create and has one.

    It may become as short as it likes at any time: then less is created.
    """
    for name, on in convert.capabilities(configured).items():
        file = configured.targets[name].create.eans_file
        if file is not None and Capability.OFFERS_CREATE in on:
            yield name, WatchedFile(f"targets.{name}.create.eans_file", file, _eans)


def _keeps_most_allowed(before: frozenset[str], after: frozenset[str]) -> None:
    otherwise = "events of the others would end as SUPPRESSED, stocks of zero included"
    _keeps_most(before, after, otherwise, "remove the EANs in several steps")


def _keeps_most(before: frozenset[str], after: frozenset[str], otherwise: str, remedy: str) -> None:
    """Raises ValueError if a list has lost so many EANs that it is probably not complete.

    ``otherwise``: what would happen then. ``remedy``: what to do instead of a restart, if it is complete.
    """
    lost = len(before - after)
    if before and (not after or lost > max(FEW_EANS, len(before) // 2)):
        raise ValueError(
            f"it has {len(after)} EANs, and lacks {lost} of the {len(before)} in use: it may not be complete, "
            f"and {otherwise}. If it is complete, restart the processes, or {remedy}"
        )


def _eans(content: bytes) -> frozenset[str]:
    return convert.allow_list(contents.text(content))
