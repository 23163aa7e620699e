"""Capacity: how many LLM boxes a day's messages need, how fast they are answered, and what that costs.

A simulation of the pipeline, compared with the designs that were not chosen. Measured speeds and prices are
in `data/`, traffic comes from the ledger or a file. docs/capacity.md says what is simulated and what is not.
"""
