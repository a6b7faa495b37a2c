"""The acceptance report of a site: made, signed, read and verified."""
