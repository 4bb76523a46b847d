"""Sections of an experiment's scaling report: each a function from its cells to a result object."""
