"""Keys: the bank's offline root and what it vouches for."""
