"""Benchmarks: progress on stderr, one JSON object of figures on stdout, never a timed test."""

NAMES = ("demo", "engine", "faults", "fuzz", "memory", "pipeline", "routing", "scale", "slack", "teams", "turn")
