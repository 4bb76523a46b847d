"""Comparison of two runs or two experiments: what changed, by how much, and whether it is more than noise."""
