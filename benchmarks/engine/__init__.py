"""What the embedded engine does by itself, without queues or HTTP."""
