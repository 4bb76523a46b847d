"""From when on a part of the system counts as full: the same for every report and search."""

SATURATED_CORES = 0.95
"""Of a generator process, in cores: Locust runs all users of a process in one thread."""
SATURATED_SHARE = 0.9
"""Of the machine's cores."""
SHARED_SHARE = 0.2
"""Of the machine's cores, kept busy by programs that are no part of the run."""
