"""The answer guarantee on the running system, while parts of it fail: `make chaos`.

A seed makes a plan (plan.py): who writes what when, and what goes wrong meanwhile. traffic.py plays the
contacts at a fake platform, faults.py breaks things, ledger.py reads what the hub has written, counting.py
holds one against the other, table.py shows it and run.py is the whole of it.
"""
