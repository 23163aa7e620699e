"""What can keep a package from being built. Each message tells the reader what to do."""


class PackageError(Exception):
    """Something the reader has to put right; printed as one sentence, without a traceback."""
