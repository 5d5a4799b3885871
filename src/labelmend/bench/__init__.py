"""Benchmark suites: cells of data, noise, method and seed, their results and tables."""
