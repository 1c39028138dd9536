"""The hall and its side rooms: everything between the front doors and the engine."""
