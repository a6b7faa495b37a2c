"""Programs of the house as services of the machine."""
