"""What can keep the local stack from starting or running. Each message tells the reader what to do."""


class StackError(Exception):
    """Something the reader has to put right; printed as one sentence, without a traceback."""


class SettingError(StackError):
    """A setting has a value that cannot be used."""


class PortBusyError(StackError):
    """Another process listens where a part of the stack would."""


class ModelError(StackError):
    """The model file is missing or is no GGUF file."""


class DatabaseError(StackError):
    """The embedded Postgres cannot be prepared or started."""


class QueueError(StackError):
    """The queues cannot be made as infra/queues.yaml says."""


class TriggerError(StackError):
    """zappa_settings.json holds a trigger that the local runner cannot imitate."""


class ProgramError(StackError):
    """A program of the stack does not start."""
