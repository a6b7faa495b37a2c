"""The hub's HTTP API: one door, with access decided in one place."""
