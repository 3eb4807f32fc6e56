"""Parcels out: a shipment event confirms the units of an order, each once."""
