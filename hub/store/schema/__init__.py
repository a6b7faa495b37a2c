"""The tables of hub.db, as migrations: a module adds what one part of the house keeps."""
