"""The household: configures, wires, serves, commands. The only place that knows everyone."""
