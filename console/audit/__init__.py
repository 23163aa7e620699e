"""The audit log: who changed what in the console, and what it was before."""
