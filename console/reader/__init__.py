"""Whoever reads: in their own language and time zone."""
