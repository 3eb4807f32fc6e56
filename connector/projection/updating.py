"""Brings the projection up to date: reads what the topics have beyond the kept positions."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from connector.projection.codecs import ProjectionCodecs, add_record
from connector.projection.database import Overtaken, ProjectionFile
from connector.projection.rows import LISTED, ProjectedRows
from streams.flow import NotYet
from streams.kafka.log_reader import LogReader, LogRecord, OffsetRange, PartitionId

FetchSchema = Callable[[int], None]
"""Fetches a schema into the cache that the codecs look into. May raise RegistryDown."""


def update(
    file: ProjectionFile,
    log: LogReader,
    codecs: ProjectionCodecs,
    fetch: FetchSchema,
    topics: Mapping[str, str],
    topic_ids: Mapping[str, str],
) -> Iterator[int]:
    """Reads up to the ends of the topics, and yields the number of records after each batch.

    ``topics``: dataset -> topic. ``topic_ids``: topic -> its id at the broker. A topic whose id has changed was created
    again: its rows are removed, and it is read from its first offset. Rows of topics that are not named are removed.
    Raises as ``LogReader`` and ``fetch``, and Stopped.
    """
    datasets = {topic: dataset for dataset, topic in topics.items()}
    known = file.topics()
    if gone := set(known) - set(datasets):
        file.forget(gone)
    again = {
        topic: (dataset, topic_ids[topic])
        for topic, dataset in datasets.items()
        if known.get(topic) != topic_ids[topic]
    }
    kept = file.positions()  # before the ends: another process may read on meanwhile
    ranges = log.ranges(list(datasets))
    again |= {topic: (datasets[topic], topic_ids[topic]) for topic in _shrunk(kept, ranges)}
    if again:
        file.start_again(again)
    yield from _read(file, log, codecs, fetch, datasets, ranges)
    for (topic, partition), part in ranges.items():
        before = kept.get((topic, partition))
        if before is not None and before.first < part.first and topic not in again:
            file.prune(topic, datasets[topic], partition, part.first)


def _shrunk(kept: Mapping[PartitionId, OffsetRange], ranges: Mapping[PartitionId, OffsetRange]) -> set[str]:
    """Returns the topics that end before a kept position: they were created again, also where topics have no ids."""
    return {place[0] for place, part in ranges.items() if place in kept and part.end < kept[place].end}


def _read(
    file: ProjectionFile,
    log: LogReader,
    codecs: ProjectionCodecs,
    fetch: FetchSchema,
    datasets: Mapping[str, str],
    ranges: Mapping[PartitionId, OffsetRange],
) -> Iterator[int]:
    """Reads the ranges from the file's positions on; begins anew where another process has moved them meanwhile."""
    while True:
        kept = file.positions()
        wanted = {
            place: OffsetRange(max(part.first, kept[place].end if place in kept else 0), part.end)
            for place, part in ranges.items()
        }
        before = {place: kept[place].end if place in kept else 0 for place in ranges}
        try:
            for batch in log.read(wanted):
                rows = _projected(batch.records, codecs, fetch, datasets)
                after = {place: OffsetRange(ranges[place].first, at) for place, at in batch.positions.items()}
                file.add(rows, {place: before[place] for place in after}, after)
                before |= batch.positions
                yield len(batch.records)
        except Overtaken:
            continue
        return


def _projected(
    records: Iterable[LogRecord],
    codecs: ProjectionCodecs,
    fetch: FetchSchema,
    datasets: Mapping[str, str],
) -> ProjectedRows:
    rows = ProjectedRows()
    for one in records:
        dataset = datasets[one.topic]
        while isinstance(missing := _add(rows, codecs, dataset, one), NotYet):
            fetch(missing.need)
    return rows


def _add(rows: ProjectedRows, codecs: ProjectionCodecs, dataset: str, one: LogRecord) -> NotYet | None:
    return add_record(
        rows,
        codecs,
        dataset,
        LISTED[dataset],
        partition=one.partition,
        offset=one.offset,
        key=one.key,
        value=one.value,
    )
