"""The tables of profiles of how busy a branch is, as migrations of their own (same file, hub.db)."""

from __future__ import annotations

from sqlite_utils import Migrations

crowding_migrations = Migrations("crowding")
