"""From payloads to facts: validated, de-duplicated, stored, and only then acknowledged."""
