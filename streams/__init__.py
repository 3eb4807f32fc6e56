"""A generic stream runtime: keyed lanes, rate-limited outgoing calls, consistent checkpoints. Knows no marketplace."""
