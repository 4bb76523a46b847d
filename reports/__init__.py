"""Turns the records of a run into latency and distribution reports for people and for programs."""
