"""``connector hold``, ``pause``, ``resume`` and ``writes``: commands of people that every process obeys."""
