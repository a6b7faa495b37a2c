"""Branches as they are configured, now and then."""
