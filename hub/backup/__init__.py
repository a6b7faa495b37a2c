"""Backups of a hub: made while it runs, checked, restored; and what must still hold after a restore."""
