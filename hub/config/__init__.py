"""The hub's configuration, table by table."""
