"""What the stock exporters repeat every second while a door takes nothing; Outages says it once."""

import logging
from typing import Final

from flashmm_instrumentation._listening import heard_now

_FAILED: Final = "Failed to export "
_TRYING: Final = "Transient error "
"""A failure follows, or it was none."""
_ENDING: Final = ("Shutdown in progress", "Exporter already shutdown")
"""An export that a close() does not wait for: what was not delivered is told by the bot."""
_OTLP: Final = "opentelemetry.exporter.otlp.proto"
_LOGGERS: Final = (
    f"{_OTLP}.grpc.exporter",
    *(f"{_OTLP}.http.{signal}_exporter" for signal in ("metric", "trace", "_log")),
)


class Repeats(logging.Filter):
    """Holds back those lines, of exports of ours alone; what no outage explains passes once a minute."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line passes."""
        heard = heard_now()
        if heard is None or not str(record.msg).startswith((_FAILED, _TRYING, *_ENDING)):
            return True
        if not str(record.msg).startswith(_FAILED) or heard.outages.any:
            return False
        told = heard.answer is not None and heard.answer.failed
        return not told and heard.outages.once((record.name, record.msg))


_FILTER: Final = Repeats()


def hold_back_repeats() -> None:
    """From now on; a second time changes nothing."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_FILTER)
