"""The implementations of the commands, one module each. ``connector/cli.py`` passes in what they work with."""
