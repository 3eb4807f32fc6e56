"""Simulated push notifications."""
