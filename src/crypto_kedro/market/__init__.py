"""Bars of one market: schema, validation, gaps, resampling, sources and the synthetic market."""
