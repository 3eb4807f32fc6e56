"""The Kaufland Marketplace Seller API v2 behind the ``Marketplace`` port."""
