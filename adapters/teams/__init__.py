"""Microsoft Teams as a front door."""
