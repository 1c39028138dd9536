"""Stand-ins for the platforms that the doors open to: tests and benchmarks talk to these instead."""
