"""Propose: which schools to keep (:mod:`siting`), and the cheapest way to pass (:mod:`remedies`)."""
