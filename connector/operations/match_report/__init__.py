"""Implements ``connector match-report``: what the marketplace has for a list of offers, before anything is written."""
