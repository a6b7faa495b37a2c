"""Documents as signed PDFs: how they look, who signs them, and whether one is unchanged."""
