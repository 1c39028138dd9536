"""Benchmarks: progress on stderr, one JSON object of figures on stdout, never a timed test."""

NAMES = (
    "demo",
    "engine",
    "faults",
    "forget",
    "fuzz",
    "keys",
    "memory",
    "pipeline",
    "routing",
    "scale",
    "slack",
    "teams",
    "telemetry",
    "turn",
)
