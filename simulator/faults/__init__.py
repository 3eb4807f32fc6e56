"""Injected faults: what is to go wrong, and for which calls."""
