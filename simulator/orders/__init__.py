"""Simulated orders, fulfilment and returns."""
