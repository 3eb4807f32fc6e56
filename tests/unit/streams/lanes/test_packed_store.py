"""A packed store behaves like a dictionary, in less memory."""

import tracemalloc

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from streams.lanes.packed_store import PackedStore

KEYS = st.text(max_size=3) | st.sampled_from([f"4{number:012d}" for number in range(30)])
VALUES = st.binary(max_size=30) | KEYS.map(str.encode)  # a value that looks like a key must not be found as one


def store_of(values: dict[str, bytes]) -> PackedStore:
    """Returns a store filled like in a restore."""
    store = PackedStore(room=len(values))
    for key, value in values.items():
        store.add(key, value)
    return store


class ShelfBesideADictionary(RuleBasedStateMachine):
    @initialize(values=st.dictionaries(KEYS, VALUES))
    def restored(self, values: dict[str, bytes]) -> None:
        self.known = dict(values)
        self.store = store_of(values)

    @rule(key=KEYS, value=VALUES)
    def put(self, key: str, value: bytes) -> None:
        self.known[key] = value
        self.store.pop(key)
        self.store.add(key, value)

    @rule(key=KEYS)
    def take(self, key: str) -> None:
        assert self.store.pop(key) == self.known.pop(key, None)

    @rule(count=st.integers(1, 100))
    def put_many(self, count: int) -> None:
        for number in range(count):
            self.put(f"many-{number}", bytes([number]))

    @rule(key=KEYS)
    def ask(self, key: str) -> None:
        assert (key in self.store) == (key in self.known)

    @invariant()
    def they_agree(self) -> None:
        assert len(self.store) == len(self.known)

    def teardown(self) -> None:
        for key in list(getattr(self, "known", ())):
            self.take(key)
        assert len(getattr(self, "store", ())) == 0


TestPackedStoreBesideADictionary = ShelfBesideADictionary.TestCase


def test_a_known_unit_takes_two_thirds_of_what_a_dictionary_takes() -> None:
    values = {f"4{number:012d}": bytes([number % 256]) * 160 for number in range(20_000)}

    store, dictionary = _held(values, packed=True), _held(values, packed=False)

    assert store < 205 * len(values)
    assert store < 0.75 * dictionary


def test_a_packed_store_that_grew_takes_no_more_than_one_filled_at_once() -> None:
    values = {f"4{number:012d}": bytes([number % 256]) * 160 for number in range(5_000)}
    grown = PackedStore()

    for key, value in values.items():
        grown.add(key, value)

    assert len(grown._pages) <= len(store_of(values)._pages)
    assert max(map(len, grown._pages)) < 4_000


def _held(values: dict[str, bytes], *, packed: bool) -> int:
    tracemalloc.start()
    kept = store_of(values) if packed else {key.encode().decode(): bytes(bytearray(v)) for key, v in values.items()}
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert len(kept) == len(values)
    return held
