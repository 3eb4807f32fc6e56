"""Kaufland's notifications: subscriptions, and the server that receives them."""
