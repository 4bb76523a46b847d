"""The harness against a server whose reply times are known."""
