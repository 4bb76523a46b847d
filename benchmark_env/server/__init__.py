"""The server of the Benchmark environment."""
