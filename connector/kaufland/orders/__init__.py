"""Orders in the Seller API: reading orders and carriers, sending order units, adding parcels."""
