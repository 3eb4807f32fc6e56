"""Merges the metrics of several processes into one page in Prometheus' text format. Pure.

Each sample gets a label with the number of its process, so that counters of different processes are different series:
a sum of them would fall when one process starts again.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

LABEL: Final = "process"


@dataclass(slots=True)
class _Family:
    """The lines of one metric: HELP and TYPE once, then the samples of every process."""

    head: list[str] = field(default_factory=list)
    samples: list[str] = field(default_factory=list)


def merge(pages: Mapping[int, str]) -> str:
    """Returns one page with the samples of all ``pages``, which are given by the number of their process."""
    families: dict[str, _Family] = {}
    for number, page in sorted(pages.items()):
        for name, head, samples in _families(page):
            family = families.setdefault(name, _Family())
            family.head = family.head or head
            family.samples += [_labelled(sample, number) for sample in samples]
    lines = [line for family in families.values() for line in (*family.head, *family.samples)]
    return "".join(f"{line}\n" for line in lines)


def _families(page: str) -> Iterator[tuple[str, list[str], list[str]]]:
    """Yields the name of each metric in a page, its HELP and TYPE lines, and its samples.

    In the text format, all lines of a metric are one group, which HELP or TYPE begins.
    """
    name, head, samples = "", list[str](), list[str]()
    for line in page.split("\n"):  # the format's only end of a line; values of labels may have others
        if not line.startswith("#"):
            samples += [line] if line else []
            continue
        words = line.split(" ", 3)
        if len(words) > 2 and words[1] in ("HELP", "TYPE"):
            if words[2] != name:
                if head or samples:
                    yield name, head, samples
                name, head, samples = words[2], [], []
            head.append(line)
    if head or samples:
        yield name, head, samples


def _labelled(sample: str, number: int) -> str:
    """Returns the sample with the label of its process in front of its other labels."""
    end = min(at for at in (sample.find("{"), sample.find(" "), len(sample)) if at >= 0)
    name, rest = sample[:end], sample[end:]
    if not rest.startswith("{"):
        return f'{name}{{{LABEL}="{number}"}}{rest}'
    comma = "" if rest.startswith("{}") else ","
    return f'{name}{{{LABEL}="{number}"{comma}{rest[1:]}'
