"""Range sensors and cameras as evidence of one occupancy grid."""
