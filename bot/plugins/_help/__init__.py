"""What the plugin `help` knows: how people ask what it can do."""
