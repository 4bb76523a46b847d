"""The sections of a comparison: each a function from measured runs of A and B to a result object."""
