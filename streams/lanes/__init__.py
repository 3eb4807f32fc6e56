"""The lanes of a partition, one per key: awake as an object, asleep as bytes."""
