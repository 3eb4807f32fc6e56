"""The implementations of the commands, one module each. ``connector/cli`` passes in what they work with."""
