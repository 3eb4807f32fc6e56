"""Orders, parcels and returns at Kaufland: requests, bodies and answers."""
