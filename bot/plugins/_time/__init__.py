"""What the plugin `time` knows: places and their zones, ways to write a time of day, and how people ask for them."""
