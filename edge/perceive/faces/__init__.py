"""Faces at the kiosk: nothing in here runs unless a person has asked for it."""
