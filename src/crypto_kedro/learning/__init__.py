"""Labels, splits, the ensemble and the statistics that judge it."""
