"""Offers at Kaufland: requests, bodies and pages."""
