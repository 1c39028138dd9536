"""What the plugin `mcp` is made of."""
