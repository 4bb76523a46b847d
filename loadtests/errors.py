"""Errors that a person can fix: each message says what was wrong, with the value, and what to do."""


class LoadTestError(Exception):
    """Stops a command with one line on stderr and exit code 2."""


EXIT_ROWS_LOST = 3
"""Locust's exit code where records are missing, so that the run's figures cannot be believed."""

ROWS_LOST = "not every row could be written; the figures are of what could (is the disk full?)"

EXIT_WORKER_LOST = 4
"""Locust's exit code where one of its workers died, so that a part of the load was missing."""

WORKER_LOST = "a Locust worker died or stopped answering, and its users' load was missing from then on"

EXIT_POLICY_FAILED = 5
"""Locust's exit code where the policy raised an error or returned what is no action; run.json says how."""

POLICY_FAILED = "the policy failed"

EXIT_REFUSED = 6
"""Locust's exit code of a worker that its master refused, or that could not start the test; it says why."""

EXIT_MASTER_LOST = 7
"""Locust's exit code where a worker has heard nothing of its master for a minute."""
