"""Kaufland's push notifications: subscriptions, and the server that receives notifications."""
