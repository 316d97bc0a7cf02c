"""Messages that were not understood: the first is shown, all are counted."""

import logging

from flashmm_demo._wire import MalformedMessage

_log = logging.getLogger(__name__)


class Malformed:
    """Those of one source, such as a file, by its name."""

    def __init__(self, source: str) -> None:
        self._source = source
        self.count = 0

    def found(self, error: MalformedMessage) -> None:
        """One more: a source that is all garbage does not fill the log."""
        self.count += 1
        if self.count == 1:
            _log.warning("%s: %s", self._source, error)

    def tell(self) -> None:
        """At the source's end, how many there were, where the first was not the only one."""
        if self.count > 1:
            _log.warning("%s: %d messages were not understood", self._source, self.count)
