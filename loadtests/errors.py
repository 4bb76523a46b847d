"""The errors that a person can mend: each message says what was wrong, with the value, and what to do."""


class LoadTestError(Exception):
    """Stops a command with one line on stderr and exit code 2."""
