"""Deploys and rollbacks from the console, for ops.

The console only writes down what somebody wants, and shows what the worker of deploys makes of it: that one
has the repository and the right to deploy, and does it by `infra.deployment.job` (docs/operations.md).
"""
