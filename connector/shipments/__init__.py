"""The shipment flow: each event about parcels confirms the units of an order to the marketplace, each unit once."""
