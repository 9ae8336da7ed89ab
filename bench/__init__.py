"""What scripts and builds cost, measured: `make bench`. No test depends on a time."""
