"""Reads the log: statistics, savings, series, exports. Pure but for the reading."""
