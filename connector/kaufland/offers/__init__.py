"""Offers in the Seller API: look-ups and updates of units."""
