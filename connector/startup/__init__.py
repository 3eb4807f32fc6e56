"""What a process does before its loop turns: plan the run, check what it needs, wait for who is away."""
