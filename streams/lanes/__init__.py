"""One lane per key: awake as an object, asleep as bytes."""
