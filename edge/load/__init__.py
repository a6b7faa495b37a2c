"""Simulated boxes of many branches over real connections: the load that a hub is tried with."""
