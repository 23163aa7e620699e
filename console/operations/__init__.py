"""How the platform is, for ops: queues, functions, LLM boxes, and what in the ledger waits for somebody.

A package of views beside the apps, as console/proof is. What AWS counts is read from CloudWatch and SQS, on
one machine from the emulator, which infra/local/metrics.py fills; the rest is the ledger's. No text of a
message is among it.
"""
