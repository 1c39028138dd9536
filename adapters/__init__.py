"""The front doors: each translates one platform; none knows another."""
