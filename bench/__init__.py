"""Benchmarks: progress on stderr, one JSON object of figures on stdout, never a timed test."""

NAMES = ("demo", "engine", "faults", "memory", "pipeline", "routing", "scale")
