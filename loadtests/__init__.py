"""Makes load on OpenEnv environment servers and records every step."""
