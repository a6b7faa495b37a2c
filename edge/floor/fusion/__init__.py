"""Tracks of several cameras become people of the site, each once."""
