"""The tables of passes, links and partners of the cards, as migrations of their own (same file, hub.db)."""

from __future__ import annotations

from sqlite_utils import Migrations

cards_migrations = Migrations("cards")
