"""Signing in: throttled, and with a second factor."""
