"""What people on the floor amount to: crossings, visits, waits, flow and heat."""
