"""Where the hub keeps its facts: one small interface, back ends side by side."""
