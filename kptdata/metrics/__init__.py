"""Metrics: pure functions on arrays (`kptdata.metrics.arrays`)."""
