"""The tables of wait forecasts and how they turned out, as migrations of their own (same file, hub.db)."""

from __future__ import annotations

from sqlite_utils import Migrations

forecast_migrations = Migrations("forecast")
