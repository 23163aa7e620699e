"""The proof: whether each turn got its one outcome in time, as pages over the ledger's numbers.

A package of views beside the apps, not an app: it has no models of its own, and reads what
console/conversations/report.py counts.
"""
