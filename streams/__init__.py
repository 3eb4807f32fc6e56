"""A generic stream runtime: keyed lanes, paced calls to the outside, checkpoints as snapshots. Knows no marketplace."""
