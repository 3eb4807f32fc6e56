"""Offers in the Seller API: requests, models of the bodies, and paged lists."""
