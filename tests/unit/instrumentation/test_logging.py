"""The bridge from Python's logging."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from opentelemetry.instrumentation.utils import suppress_instrumentation

from flashmm_instrumentation.testing import capture


def test_records_go_out_with_severity_and_source() -> None:
    """Level names become OpenTelemetry's, the code location goes along."""
    with capture(logging_level=logging.DEBUG) as captured:
        log = logging.getLogger("bridged")
        log.setLevel(1)
        for level in (1, logging.DEBUG, logging.WARNING, logging.CRITICAL):
            log.log(level, "at %d", level)
        records = [each.log_record for each in captured.logs()]
    assert [record.severity_text for record in records] == ["DEBUG", "WARN", "FATAL"]
    assert records[0].body == "at 10"
    assert records[0].attributes["code.function.name"] == "test_records_go_out_with_severity_and_source"


def test_exporters_do_not_feed_themselves() -> None:
    """What is logged while exporting stays out."""
    with capture(logging_level=logging.DEBUG) as captured:
        with suppress_instrumentation():
            logging.getLogger("bridged").warning("from an exporter")
        assert captured.logs() == []


def test_a_record_that_cannot_be_formatted_is_loggings_own_matter(capsys) -> None:
    """The author sees logging's usual complaint, and the bot goes on."""
    with capture(logging_level=logging.DEBUG) as captured:
        log = logging.getLogger("bridged")
        log.propagate = False
        handler = next(h for h in logging.getLogger().handlers if type(h).__name__ == "OtlpHandler")
        handler.handle(log.makeRecord("bridged", logging.INFO, "f", 1, "%d", ("x",), None))
        log.propagate = True
        assert captured.logs() == []
    assert "Logging error" in capsys.readouterr().err


@contextmanager
def unconfigured() -> Iterator[logging.Logger]:
    """The root logger of a bot that never configured logging: without pytest's handlers too."""
    root = logging.getLogger()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(root, "handlers", [])
        yield root


def test_a_bot_that_never_configured_logging_still_prints_its_warnings(capsys) -> None:
    """They reach standard error as they do without us, once, whatever level goes out."""
    with unconfigured(), capture(logging_level=logging.ERROR) as captured, capture(logging_level=logging.DEBUG):
        logging.getLogger("bridged").warning("the exchange is slow")
        logging.getLogger("bridged").info("all is well")
        assert captured.logs() == []
    assert capsys.readouterr().err == "the exchange is slow\n"


def test_a_bot_with_a_handler_of_its_own_prints_nothing_twice(capsys) -> None:
    """Whoever handles a record is left to it: at the root, or where a logger does not propagate."""
    own, log = logging.NullHandler(), logging.getLogger("bridged")
    with unconfigured() as root, capture(logging_level=logging.DEBUG):
        root.addHandler(own)
        log.warning("handled at the root")
        root.removeHandler(own)
        log.addHandler(own)
        log.warning("handled below")
        log.removeHandler(own)
    assert capsys.readouterr().err == ""


def test_the_bridge_goes_with_the_bot() -> None:
    """After close the root logger is as it was."""
    before = list(logging.getLogger().handlers)
    with capture(logging_level=logging.INFO):
        assert len(logging.getLogger().handlers) == len(before) + 2
    assert logging.getLogger().handlers == before
