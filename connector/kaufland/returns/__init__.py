"""Returns in the Seller API: reading lists and single returns."""
