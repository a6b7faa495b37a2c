"""The tables of what is told to others, and how far, as migrations of their own (same file, hub.db)."""

from __future__ import annotations

from sqlite_utils import Migrations

outgoing_migrations = Migrations("outgoing")
