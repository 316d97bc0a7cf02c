"""Python's logging as OTLP log records, with the ids of the current span."""

import logging
import traceback
from collections.abc import Iterator
from typing import Final

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.context import get_current
from opentelemetry.instrumentation.utils import is_instrumentation_enabled
from opentelemetry.sdk._logs import LoggerProvider

from flashmm_instrumentation._inputs import utf8
from flashmm_instrumentation.semconv import attributes as attr

_SEVERITIES: Final = (
    (logging.CRITICAL, SeverityNumber.FATAL, "FATAL"),
    (logging.ERROR, SeverityNumber.ERROR, "ERROR"),
    (logging.WARNING, SeverityNumber.WARN, "WARN"),
    (logging.INFO, SeverityNumber.INFO, "INFO"),
    (logging.DEBUG, SeverityNumber.DEBUG, "DEBUG"),
)
_BODY_LIMIT: Final = 32_768


class OtlpHandler(logging.Handler):
    """Sends records out. What exporters log while they export is left out, or it would never end."""

    def __init__(self, provider: LoggerProvider, level: int = logging.NOTSET) -> None:
        super().__init__(level)
        self._provider = provider

    def emit(self, record: logging.LogRecord) -> None:
        """Send one record; one that cannot be formatted goes to logging's own handleError."""
        if not is_instrumentation_enabled():
            return
        try:
            self._provider.get_logger(record.name).emit(_translated(record))
        except Exception:  # noqa: BLE001 logging's own boundary, see logging.Handler
            self.handleError(record)


class LastResort(logging.Handler):
    """Prints warnings that nobody but us handles, as logging itself does where there is no handler at all."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)

    def emit(self, record: logging.LogRecord) -> None:
        """Print one record, once where `setup` was called twice."""
        handlers = list(_handlers(logging.getLogger(record.name)))
        first = next((each for each in handlers if isinstance(each, LastResort)), None)
        alone = all(isinstance(each, OtlpHandler | LastResort) for each in handlers)
        if self is first and alone and logging.lastResort is not None:
            logging.lastResort.handle(record)


def _handlers(logger: logging.Logger | None) -> Iterator[logging.Handler]:
    """Everybody who gets a logger's records."""
    while logger is not None:
        yield from logger.handlers
        logger = logger.parent if logger.propagate else None


def _translated(record: logging.LogRecord) -> LogRecord:
    number, text = _severity(record.levelno)
    time_ns = int(record.created * 1e9)
    return LogRecord(
        timestamp=time_ns,
        observed_timestamp=time_ns,
        context=get_current(),
        severity_number=number,
        severity_text=text,
        body=utf8(record.getMessage()[:_BODY_LIMIT]),
        attributes=_attributes(record),
    )


def _severity(level: int) -> tuple[SeverityNumber, str]:
    for least, number, text in _SEVERITIES:
        if level >= least:
            return number, text
    return SeverityNumber.TRACE, "TRACE"


def _attributes(record: logging.LogRecord) -> dict[str, str | int]:
    attributes: dict[str, str | int] = {
        attr.CODE_FILE_PATH: record.pathname,
        attr.CODE_FUNCTION_NAME: record.funcName or "",
        attr.CODE_LINE_NUMBER: record.lineno,
    }
    if record.exc_info and record.exc_info[0] is not None:
        kind, error, trace = record.exc_info
        attributes[attr.EXCEPTION_TYPE] = kind.__qualname__
        told = "".join(traceback.format_exception(kind, error, trace))
        attributes[attr.EXCEPTION_MESSAGE] = utf8(str(error)[:_BODY_LIMIT])
        attributes[attr.EXCEPTION_STACKTRACE] = utf8(told[-_BODY_LIMIT:])
    return attributes
