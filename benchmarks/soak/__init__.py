"""A long load under which nothing may grow: samples of every process, and what they say."""
