"""What the calculator reads, works out and writes; every bound is checked before anything is computed."""
