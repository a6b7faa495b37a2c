"""The cards that any page embeds."""
