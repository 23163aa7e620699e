"""Deploys and rollbacks: `python -m infra.deployment deploy|rollback|stop STAGE`, or from a job, by the same
steps."""
