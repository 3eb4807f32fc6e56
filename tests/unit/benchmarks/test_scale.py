"""The measurement of a number of units restores them all, and applies events to some of them."""

from benchmarks import scale


def test_each_figure_of_a_number_of_units_is_measured() -> None:
    figures = scale.figures(50)

    assert all(figures[name] > 0 for name in ("restore_s", "longest_ms", "repeated_us", "applied_us")), figures
