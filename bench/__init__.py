"""Measures Retinue against the numbers it holds: `make bench`."""
