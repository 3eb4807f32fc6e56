"""What readers of the topics build on, generated from the schemas: flat views as SQL, and data contracts. Pure."""
