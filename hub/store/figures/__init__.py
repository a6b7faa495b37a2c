"""Figures as sums that merge exactly, and what may be said of them."""
