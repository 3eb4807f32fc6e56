"""A heap with dead entries returns the least live entry, and sweeps a few dead ones at a time."""

from hypothesis import given
from hypothesis import strategies as st

from streams.lanes.heap import SWEEP_AT_LEAST, Heap

MOVES = st.lists(st.tuples(st.sampled_from(["push", "kill", "pop"]), st.integers(0, 30)), max_size=200)


@given(MOVES)
def test_a_heap_returns_live_entries_in_sorted_order(moves: list[tuple[str, int]]) -> None:
    living: set[tuple[int, int]] = set()
    heap: Heap[tuple[int, int]] = Heap(lambda entry: entry in living)
    for number, (move, value) in enumerate(moves):
        if move == "push":
            living.add((value, number))
            heap.push((value, number))
        elif move == "kill" and living:
            living.discard(sorted(living)[value % len(living)])
        elif move == "pop" and living:
            least = heap.pop()
            assert least == min(living)
            living.discard(least)
        assert heap.top() == min(living, default=None)


def test_dead_entries_are_swept_and_a_push_looks_at_a_few_only() -> None:
    looked = 0
    alive = (-1, -1)

    def is_alive(entry: tuple[int, int]) -> bool:
        nonlocal looked
        looked += 1
        return entry == alive or entry[1] >= latest

    heap: Heap[tuple[int, int]] = Heap(is_alive)
    heap.push(alive)
    latest, sizes, looks = 0, [], []
    for number in range(100_000):
        latest, looked = number, 0
        heap.push((number, number))
        sizes.append(len(heap))
        looks.append(looked)

    assert max(looks) <= 4
    assert max(sizes) <= 1.25 * SWEEP_AT_LEAST + 1
    assert heap.pop() == alive
    assert heap.top() == (99_999, 99_999)


def test_live_entries_are_kept_in_order_through_many_sweeps() -> None:
    heap: Heap[tuple[int]] = Heap(lambda _: True)
    for number in range(10_000):
        heap.push((number * 7_919 % 10_007,))

    popped = [heap.pop() for _ in range(10_000)]

    assert popped == sorted(popped)
    assert heap.top() is None
