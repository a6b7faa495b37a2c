"""The tables of requested certificates, as migrations of their own (same file, hub.db)."""

from __future__ import annotations

from sqlite_utils import Migrations

documents_migrations = Migrations("documents")
