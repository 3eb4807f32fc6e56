"""Reads one file and the environment, once, into one validated, immutable object."""
