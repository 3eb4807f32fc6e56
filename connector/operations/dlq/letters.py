"""Reads dead letters from their topics."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence

from connector.connections import connection
from connector.settings.model import Settings
from streams.dead_letter import DeadLetter, read_letter
from streams.errors import SettingsError, Stopped
from streams.kafka.topic_reader import read_records
from streams.records import RecordPlace
from streams.topics import WHOLE_TOPIC, TopicRange


def chosen_topics(dead_letters: Mapping[str, str], inputs: Sequence[str]) -> list[str]:
    """Returns the dead-letter topics of these input topics, or of all if there are none; each once.

    ``dead_letters``: the dead-letter topic of each input topic. Raises SettingsError for a topic that is no input.
    """
    unknown = sorted(set(inputs) - dead_letters.keys())
    if unknown:
        known = ", ".join(dead_letters)
        raise SettingsError(
            f"--topic {', '.join(unknown)}: not an input topic of this configuration; those are: {known}"
        )
    return list(dict.fromkeys(topic for source, topic in dead_letters.items() if not inputs or source in inputs))


def letters_in(configured: Settings, topics: Sequence[str]) -> Iterator[DeadLetter]:
    """Yields all dead letters of these topics, in order within a partition. Raises as ``read_records``."""
    for topic in topics:
        yield from _read(configured, topic)


def letters_at(configured: Settings, places: Collection[RecordPlace]) -> Iterator[DeadLetter]:
    """Yields the dead letters at these places that still exist. Raises as ``read_records``."""
    offsets: dict[str, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    for place in places:
        offsets[place.topic][place.partition].append(place.offset)
    for topic, numbers in offsets.items():
        part = TopicRange(offsets={number: (min(found), max(found) + 1) for number, found in numbers.items()})
        yield from (letter for letter in _read(configured, topic, part) if letter.at in places)


def letter_at(configured: Settings, dead_letters: Mapping[str, str], where: str) -> DeadLetter:
    """Returns the dead letter whose place ``dlq list`` prints as ``where``.

    Raises SettingsError if ``where`` is no place in a dead-letter topic, and Stopped if there is no record.
    """
    place = RecordPlace.parse(where)
    if place is None or place.topic not in dead_letters.values():
        known = ", ".join(dict.fromkeys(dead_letters.values()))
        raise SettingsError(
            f"{where!a} is not the place of a dead letter. Expected TOPIC/PARTITION/OFFSET as `connector dlq list` "
            f"prints it, with one of the topics {known}"
        )
    found = next(letters_at(configured, {place}), None)
    if found is None:
        raise Stopped(f"there is no dead letter at {place}: it was never written, or its retention has ended")
    return found


def _read(configured: Settings, topic: str, part: TopicRange = WHOLE_TOPIC) -> Iterator[DeadLetter]:
    for record in read_records(connection(configured), topic, reader=configured.kafka.group, part=part):
        yield read_letter(
            RecordPlace(topic=topic, partition=record.partition, offset=record.offset),
            key=record.key,
            value=record.value,
            headers=record.headers,
            dead_lettered_us=record.time_us,
        )
