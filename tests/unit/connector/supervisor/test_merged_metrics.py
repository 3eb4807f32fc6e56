"""The merged page is valid, has every sample of every process, and says which process it is from."""

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from connector.supervisor.merged_metrics import LABEL, merge
from streams.telemetry import Telemetry


def page(calls: int, target: str) -> str:
    """Returns a page with a counter without labels, and a gauge with a label whose value needs escaping."""
    registry = CollectorRegistry()
    Counter("calls", "Calls made.", registry=registry).inc(calls)
    Gauge("waiting", 'With "quotes" {and} braces.', ["target"], registry=registry).labels(target).set(calls / 2)
    return generate_latest(registry).decode()


def samples(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = sample.name, frozenset(sample.labels.items())
            assert key not in found
            found[key] = sample.value
    return found


def test_every_sample_is_there_once_with_its_process() -> None:
    pages = {1: page(3, 'shop "de" {x}\n'), 2: page(5, "shop\x85at\u2028")}

    merged = samples(merge(pages))

    assert merged == {
        (name, labels | {(LABEL, str(number))}): value
        for number, text in pages.items()
        for (name, labels), value in samples(text).items()
    }


def test_help_and_type_of_a_metric_stand_once_before_its_samples() -> None:
    lines = merge({1: page(3, "a"), 2: page(5, "b")}).splitlines()

    heads = [line for line in lines if line.startswith("#")]
    assert len(heads) == len(set(heads))
    assert [line.split("{")[0] for line in lines if "calls_total" in line and not line.startswith("#")] == [
        "calls_total",
        "calls_total",
    ]


def test_a_sample_without_labels_gets_one() -> None:
    assert merge({7: "up 1\n"}) == 'up{process="7"} 1\n'
    assert merge({7: "up{} 1\n"}) == 'up{process="7"} 1\n'


def test_the_metrics_of_the_runtime_survive() -> None:
    text = Telemetry(lambda *_, **__: None).metrics.exposition().decode()

    merged = samples(merge({1: text, 2: text}))

    assert len(merged) == 2 * len(samples(text))
