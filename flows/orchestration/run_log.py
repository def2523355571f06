"""Keep the log of a flow run readable: our own lines tell the story, and Prefect's tell nothing twice."""

import logging

from prefect.exceptions import FailedRun

from schemas.errors import Sp404Error

_TASKS, _FLOWS = "prefect.task_runs", "prefect.flow_runs"
# A run that failed for a reason of ours says it in its state; Prefect adds a traceback, or the word NoneType.
_NOISE = ("Engine execution exited with unexpected exception", "Task run failed with state")


def hide_noise() -> None:
    """Drop Prefect's line for each task run that ended well, and tracebacks of errors that are the state's message."""
    for name in (_TASKS, _FLOWS):
        logger = logging.getLogger(name)
        if not any(isinstance(each, _NoiseFilter) for each in logger.filters):
            logger.addFilter(_NoiseFilter())


class _NoiseFilter(logging.Filter):
    """Let through what somebody may want to read."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the line is worth reading."""
        if record.name == _TASKS and record.levelno <= logging.INFO:
            return False
        if not record.getMessage().startswith(_NOISE):
            return True
        error = record.exc_info[1] if record.exc_info else None
        return not (error is None or isinstance(error, Sp404Error | FailedRun))
