"""Pages for machines and people that read snapshots, and change nothing."""
