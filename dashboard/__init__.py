"""The managers' pages. Their only door is the hub's API."""
