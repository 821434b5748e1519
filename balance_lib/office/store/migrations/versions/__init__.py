"""Change the store's tables from one version of the software to the next."""
