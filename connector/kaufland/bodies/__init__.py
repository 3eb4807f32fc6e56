"""What the bodies of all endpoints share: bases of models, reading of JSON, rows and pages, times, names of fields."""
