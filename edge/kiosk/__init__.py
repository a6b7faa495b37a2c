"""Check-in: the face opens an appointment, nothing else. Pure modules, and the adapters beside them."""
