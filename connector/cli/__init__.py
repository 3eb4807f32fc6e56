"""The command line: arguments, signals and exit codes. A module for each group of commands, joined by ``main.py``."""
