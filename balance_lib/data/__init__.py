"""Hold a county: its tables, coordinates, the check of every fault, and the import of returns and lists."""
