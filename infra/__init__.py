"""What Zappa does not make: the queues, and how everything runs on one machine (infra.local)."""
