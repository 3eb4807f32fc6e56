"""Opens the projection of the topics for a command, and brings it up to date first."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Final

from connector.configuration import routing
from connector.connections import administration, log_reader, registry
from connector.contracts.registry_subjects import look_up
from connector.contracts.topics import Feature, Topics
from connector.operations.progress import counted
from connector.projection.codecs import ProjectionCodecs
from connector.projection.database import ProjectionFile, open_projection, read_projection
from connector.projection.listings import ListingReader
from connector.projection.queries import ProjectionReader
from connector.projection.rows import DATASETS, LISTED, SWEPT
from connector.projection.updating import FetchSchema, update
from connector.settings import convert
from connector.settings.model import Settings
from streams.errors import SettingsError, Stopped
from streams.kafka.registry import RegistryClient, SchemaCache

_CACHE: Final = "kaufland-connector"


@contextmanager
def open_projected(
    configured: Settings, directory: Path | None, *, rebuild: bool = False
) -> Iterator[ProjectionReader]:
    """Opens the projection in ``directory``, None: in the user's cache, and reads what is new in the topics.

    ``rebuild``: reads everything again. Raises as ``update``, RegistryDown, SchemaUnknown, and Stopped if a topic does
    not exist or the file cannot be used.
    """
    wanted = convert.features(configured) & {Feature.OFFERS, Feature.RECONCILE}
    names = replace(convert.topics(configured), features=wanted)
    every = {dataset: str(getattr(names, dataset)) for dataset in DATASETS}
    topics = {name: topic for name, topic in every.items() if name not in SWEPT or Feature.RECONCILE in wanted}
    ids = _existing(configured, topics)
    path = file_in(directory or default_directory(os.environ), identity(configured, every))
    if rebuild:
        _remove(path)
    with registry(configured) as client:
        cache = SchemaCache(client)
        codecs = ProjectionCodecs(look_up(client, names, avro_keys=convert.avro_keys(configured)), cache.get)
        with open_projection(path) as file:
            with log_reader(configured) as log:
                batches = update(file, log, codecs, cache.fetch, topics, ids)
                for _ in counted((None for count in batches for _ in range(count)), "records read"):
                    pass
            yield ProjectionReader(file, codecs, cache.fetch)


class FollowedProjection:
    """A projection with facets that is brought up to date again and again."""

    def __init__(
        self,
        file: ProjectionFile,
        codecs: ProjectionCodecs,
        fetch: FetchSchema,
        configured: Settings,
        topics: Mapping[str, str],
    ) -> None:
        self.file = file
        self.reader = ListingReader(file, codecs, fetch)
        self.codecs = codecs
        self._fetch = fetch
        self._configured = configured
        self._topics = topics

    def update(self) -> Iterator[int]:
        """Reads what is new, and yields the number of records after each batch. Raises as ``open_projected``."""
        ids = _existing(self._configured, self._topics)
        with log_reader(self._configured) as log:
            yield from update(self.file, log, self.codecs, self._fetch, self._topics, ids)


@contextmanager
def open_followed(configured: Settings, directory: Path) -> Iterator[FollowedProjection]:
    """Opens the projection with facets in ``directory``, without reading anything. Raises as ``open_projected``."""
    names, topics = listed_topics(configured)
    with registry(configured) as client:
        cache = SchemaCache(client)
        codecs = _listing_codecs(configured, names, client, cache)
        with open_projection(listed_file(configured, directory)) as file:
            yield FollowedProjection(file, codecs, cache.fetch, configured, topics)


class ProjectionWindow:
    """Reads a projection with facets that another process keeps up to date. Each thread needs one of its own."""

    def __init__(self, configured: Settings, directory: Path) -> None:
        self._configured = configured
        self._path = listed_file(configured, directory)
        self._made: tuple[ProjectionCodecs, SchemaCache] | None = None

    @contextmanager
    def open(self, limit_s: float) -> Iterator[tuple[ProjectionFile, ListingReader]]:
        """Opens the file to read it for at most ``limit_s`` seconds.

        Raises Stopped if there is no file yet or it takes longer, RegistryDown, SchemaUnknown.
        """
        if not self._path.exists():
            raise Stopped("the projection is not built yet")
        if self._made is None:
            names, _ = listed_topics(self._configured)
            client = registry(self._configured)
            cache = SchemaCache(client)
            self._made = (_listing_codecs(self._configured, names, client, cache), cache)
        codecs, cache = self._made
        with read_projection(self._path, limit_s=limit_s) as file:
            yield file, ListingReader(file, codecs, cache.fetch)


def listed_topics(configured: Settings) -> tuple[Topics, dict[str, str]]:
    """Returns the topics of a projection with facets, also by dataset."""
    wanted = convert.features(configured) & {Feature.OFFERS, Feature.RECONCILE, Feature.ORDERS}
    names = replace(convert.topics(configured), features=wanted)
    off = (SWEPT if Feature.RECONCILE not in wanted else frozenset()) | (
        frozenset({"orders"}) if Feature.ORDERS not in wanted else frozenset()
    )
    return names, {dataset: str(getattr(names, dataset)) for dataset in LISTED if dataset not in off}


def listed_file(configured: Settings, directory: Path) -> Path:
    """Returns the file of a projection with facets, which depend on the targets as well."""
    targets = sorted(f"{place}={target}" for place, target in _targets(configured).items())
    names, _ = listed_topics(configured)
    every = {dataset: str(getattr(names, dataset)) for dataset in LISTED}
    return file_in(directory, "\n".join((identity(configured, every), "listed", *targets)))


def _listing_codecs(
    configured: Settings, names: Topics, client: RegistryClient, cache: SchemaCache
) -> ProjectionCodecs:
    ids = look_up(client, names, avro_keys=convert.avro_keys(configured))
    return ProjectionCodecs(ids, cache.get, _targets(configured))


def _targets(configured: Settings) -> dict[tuple[str, str], str]:
    return {(one.account, one.storefront): one.id for one in routing(configured).targets.values()}


def _existing(configured: Settings, topics: Mapping[str, str]) -> Mapping[str, str]:
    """Returns the id of each topic. Raises Stopped if one does not exist."""
    ids = administration(configured).topic_ids(list(topics.values()))
    missing = [topic for topic in topics.values() if topic not in ids]
    if missing:
        raise Stopped(f"the topic {missing[0]} does not exist. Remedy: connector topics --create")
    return ids


def default_directory(environ: Mapping[str, str]) -> Path:
    """Returns the directory in the user's cache, as the XDG base directory specification places it.

    Raises SettingsError if the user has no home directory.
    """
    if cache := environ.get("XDG_CACHE_HOME"):
        return Path(cache) / _CACHE
    try:
        return Path.home() / ".cache" / _CACHE
    except RuntimeError as error:
        raise SettingsError(f"{error}. Remedy: pass --projection DIR, or set CONNECTOR_PROJECTION") from error


def identity(configured: Settings, topics: Mapping[str, str]) -> str:
    """Returns what the projection is of. The same cluster at another address has a file of its own."""
    return "\n".join((configured.kafka.bootstrap_servers, *topics.values()))


def file_in(directory: Path, of: str) -> Path:
    """Returns the file of one projection; a directory may hold those of several clusters or prefixes."""
    return directory / f"projection-{sha256(of.encode()).hexdigest()[:12]}.sqlite"


def _remove(path: Path) -> None:
    try:
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
    except OSError as error:
        raise Stopped(f"{path} cannot be removed: {error.strerror or error}") from error
