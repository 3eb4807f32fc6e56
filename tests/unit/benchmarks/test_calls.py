"""The benchmark of function calls counts the repository's own functions, for repeated and for applied events."""

from benchmarks import calls


def test_an_applied_event_takes_more_calls_than_a_repeated_one_and_the_packages_add_up() -> None:
    section = calls.measure(offers=20)

    repeated, applied = ([float(row[column]) for row in section.rows] for column in (1, 2))
    assert applied[-1] > repeated[-1] > 0
    for counted in (repeated, applied):
        assert abs(sum(counted[:-1]) - counted[-1]) < 0.1 * len(counted)


def test_only_packages_of_the_way_of_an_offer_are_counted() -> None:
    packages = {row[0] for row in calls.measure(offers=5).rows} - {"all", "generated codecs", "streams"}

    assert {"connector/offers", "streams/engine", "streams/lanes"} <= packages
    assert all(package.startswith(("connector/", "streams/")) for package in packages)


def test_an_event_takes_no_more_calls_than_it_did() -> None:
    """The bounds of 100 offers, which have more calls for each batch than the 1,000 of the benchmark."""
    bounds = {"repeated": 262, "applied": 394}

    section = calls.measure(offers=100)

    counted = dict(zip(section.head[1:], map(float, section.rows[-1][1:]), strict=True))
    assert {name: number for name, number in counted.items() if number > bounds[name]} == {}
