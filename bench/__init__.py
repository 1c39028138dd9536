"""Benchmarks: progress on stderr, one JSON object of figures on stdout, never a timed test."""

NAMES = (
    "admin",
    "demo",
    "engine",
    "faults",
    "flood",
    "forget",
    "fuzz",
    "keys",
    "memory",
    "pipeline",
    "routing",
    "scale",
    "slack",
    "soak",
    "teams",
    "telemetry",
    "turn",
)
