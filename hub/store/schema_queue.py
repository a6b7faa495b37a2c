"""The tables of tickets of the queue beside the book, as migrations of their own (same file, hub.db)."""

from __future__ import annotations

from sqlite_utils import Migrations

queue_migrations = Migrations("queue")
