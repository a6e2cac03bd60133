"""Benchmarks: what packing, Ray Tune and the MLflow mirror cost, measured against plain code."""
