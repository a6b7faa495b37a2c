"""The tables of links, purposes and tags of customers, as migrations of their own (same file, hub.db)."""

from __future__ import annotations

from sqlite_utils import Migrations

identity_migrations = Migrations("identity")
