"""Simulations that say how often the statistics of randstudy are right."""
