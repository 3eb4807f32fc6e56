"""Opens the projection of the topics for a command, and brings it up to date first."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Final

from connector.connections import administration, log_reader, registry
from connector.contracts.registry_subjects import look_up
from connector.contracts.topics import Feature
from connector.operations.progress import counted
from connector.projection.codecs import ProjectionCodecs
from connector.projection.database import open_projection
from connector.projection.queries import ProjectionReader
from connector.projection.rows import DATASETS, SWEPT
from connector.projection.updating import update
from connector.settings import convert
from connector.settings.model import Settings
from streams.errors import SettingsError, Stopped
from streams.kafka.registry import SchemaCache

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
    ids = administration(configured).topic_ids(list(topics.values()))
    missing = [topic for topic in topics.values() if topic not in ids]
    if missing:
        raise Stopped(f"the topic {missing[0]} does not exist. Remedy: connector topics --create")
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
