"""Orders, parcels and returns in the Seller API: requests, models of the bodies, and answers."""
