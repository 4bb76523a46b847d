"""Measures what the harness costs and how fast its reports are made."""
