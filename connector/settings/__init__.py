"""One file and the environment become one frozen, validated object, read once."""
