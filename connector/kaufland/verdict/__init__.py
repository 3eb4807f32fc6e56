"""What an answer means for the items of a call: the verdict table and its reader."""
