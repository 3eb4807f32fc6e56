"""What the commands do, one file each. They are handed what they work with; ``connector/app.py`` picks it."""
