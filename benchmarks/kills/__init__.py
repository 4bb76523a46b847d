"""A series of load tests, of each of which one process is killed."""
