"""What the plugin `weather` is made of."""
