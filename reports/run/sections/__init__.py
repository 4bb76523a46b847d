"""The sections of a run report: each module holds a result object and the function that makes it."""
