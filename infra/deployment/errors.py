"""What can keep a stage from being deployed. Each message tells the reader what to do."""


class DeployError(Exception):
    """Something the reader has to put right; printed as one sentence, without a traceback."""


class StageError(DeployError):
    """The stage's file, or what the machine is allowed to do, does not fit."""


class CheckoutError(DeployError):
    """What is checked out is not what is to be deployed."""


class Locked(DeployError):
    """Somebody else deploys this stage."""


class LockLost(DeployError):
    """Somebody else may have taken the lock while this one worked."""


class StackError(DeployError):
    """CloudFormation did not make what a template says."""


class ZappaError(DeployError):
    """Zappa, or the function that it called, failed."""


class TriggerError(DeployError):
    """A function is not fed as zappa_settings.json says."""


class ReleaseError(DeployError):
    """There is no such release to go back to."""


class Cancelled(DeployError):
    """Somebody wanted it to stop."""
