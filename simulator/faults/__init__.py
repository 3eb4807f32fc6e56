"""Injected faults: what goes wrong, and for which calls."""
