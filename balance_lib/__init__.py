"""Judge a county's compulsory-education returns by dated policy standards, and show the verdict."""

__version__ = "0.2.0"
