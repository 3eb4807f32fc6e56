"""Implements ``connector not-found``: the offers that are not found now, by pattern, with the likely reason."""
