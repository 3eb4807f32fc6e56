"""Reconciliation: sweeps that read all units of the marketplace again and again, and the records of what they saw."""
