"""Load-tests OpenEnv environment servers and records every step."""
