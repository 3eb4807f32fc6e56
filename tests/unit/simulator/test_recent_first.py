"""``RecentFirst`` compared with a plain list that is sorted for each query."""

from hypothesis import given
from hypothesis import strategies as st

from simulator.recent_first import RecentFirst

PUTS = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 8)), max_size=60)


def newest_first(puts: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Returns the time and id of each row as of its last put, newest first."""
    return sorted(((moment, row_id) for row_id, moment in dict(puts).items()), reverse=True)


@given(
    puts=PUTS,
    offset=st.integers(0, 15),
    limit=st.integers(1, 5),
    from_us=st.none() | st.integers(0, 9),
    kept=st.none() | st.sets(st.integers(0, 12)),
)
def test_a_page_is_what_sorting_and_filtering_all_would_give(
    puts: list[tuple[int, int]], offset: int, limit: int, from_us: int | None, kept: set[int] | None
) -> None:
    ranking: RecentFirst[int] = RecentFirst()
    for row_id, moment in puts:
        ranking.put(row_id, moment, row_id)

    found, total = ranking.page(
        offset=offset, limit=limit, from_us=from_us, keep=None if kept is None else kept.__contains__
    )

    wanted = [
        row_id
        for moment, row_id in newest_first(puts)
        if (from_us is None or moment >= from_us) and (kept is None or row_id in kept)
    ]
    assert (found, total) == (wanted[offset : offset + limit], len(wanted))
    assert len(ranking) == len(dict(puts))


def test_a_page_asks_nothing_of_rows_older_than_its_moment() -> None:
    ranking: RecentFirst[int] = RecentFirst()
    for row_id in range(1000):
        ranking.put(row_id, row_id, row_id)
    asked: list[int] = []

    ranking.page(offset=0, limit=5, from_us=990, keep=lambda row: not asked.append(row))  # type: ignore[func-returns-value]

    assert asked == list(range(999, 989, -1))
