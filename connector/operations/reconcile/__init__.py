"""Implements ``connector reconcile``: asks for sweeps of the units, and shows how far they are."""
