"""Push notifications of the Seller API: subscriptions, and the server that receives notifications."""
