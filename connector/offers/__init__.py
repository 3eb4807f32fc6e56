"""The offer flow: which unit an event means, which event wins, what is sent, and how each field ends."""
