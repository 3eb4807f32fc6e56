"""Implements ``connector units``: the offers that the marketplace has, and why some are not live."""
