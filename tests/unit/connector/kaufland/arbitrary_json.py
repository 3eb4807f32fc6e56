"""Arbitrary JSON values, in which names that the API uses occur."""

from hypothesis import strategies as st

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["data", "id_unit", "status_code", "unit", "errors", "message", "type", "pagination", "total", "key"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)
