"""Samples come back as they were appended, wherever they are by then."""

import numpy as np
import pytest
from tests.unit.backends.ledger.batches import histogram, histograms, labels, points, samples_of
from tests.unit.backends.ledger.conftest import START_NS, Clock, Opener

from flashmm_backends.ledger import Ledger
from flashmm_backends.ports import BatchRefused, QueryRefused
from flashmm_backends.promql.source import Matcher, MatchOp

NOW_MS = START_NS // 1_000_000
A, B, C = labels("up", job="a"), labels("up", job="b"), labels("down", job="a")
UP = Matcher("__name__", MatchOp.EQ, "up")
ALL = (0, 2**62)


async def test_samples_are_readable_once_appended(ledger: Ledger) -> None:
    """What append acknowledged is in the next select, sorted by labels."""
    await ledger.append(points((B, NOW_MS, 2.0), (A, NOW_MS, 1.0), (C, NOW_MS, 9.0)))
    assert samples_of(ledger.select([UP], *ALL)) == [(A, [(NOW_MS, 1.0)]), (B, [(NOW_MS, 2.0)])]


async def test_first_of_duplicates_wins_in_memory_and_in_files(ledger: Ledger) -> None:
    """A second sample of the same series and millisecond is ignored, however late it comes."""
    await ledger.append(points((A, NOW_MS, 1.0), (A, NOW_MS, 2.0)))
    await ledger.append(points((A, NOW_MS, 3.0)))
    await ledger.seal()
    await ledger.append(points((A, NOW_MS, 4.0)))
    assert samples_of(ledger.select([UP], *ALL)) == [(A, [(NOW_MS, 1.0)])]
    await ledger.seal()
    assert samples_of(ledger.select([UP], *ALL)) == [(A, [(NOW_MS, 1.0)])]


async def test_ends_of_the_span_are_included(ledger: Ledger) -> None:
    """Both ends of a select belong to it."""
    await ledger.append(points(*((A, NOW_MS + i, float(i)) for i in range(5))))
    assert samples_of(ledger.select([UP], NOW_MS + 1, NOW_MS + 3)) == [
        (A, [(NOW_MS + 1, 1.0), (NOW_MS + 2, 2.0), (NOW_MS + 3, 3.0)])
    ]


async def test_nan_and_the_staleness_marker_stay_apart(open_ledger: Opener) -> None:
    """Infinity, NaN and the staleness marker survive the journal and the files bit by bit."""
    stale = np.array([0x7FF0_0000_0000_0002], np.uint64).view(np.float64)[0]
    values = [1.0, np.nan, stale, np.inf, -np.inf, -0.0, 5e-324]
    expected = np.array(values).view(np.uint64).tolist()
    async with open_ledger() as ledger:
        await ledger.append(points(*((A, NOW_MS + i, value) for i, value in enumerate(values))))
        assert ledger.select([UP], *ALL).values.view(np.uint64).tolist() == expected
        await ledger.seal()
    async with open_ledger() as ledger:
        assert ledger.select([UP], *ALL).values.view(np.uint64).tolist() == expected


async def test_points_outlive_a_restart_sealed_or_not(open_ledger: Opener) -> None:
    """Points from files, from the journal and from memory are one series."""
    async with open_ledger() as ledger:
        await ledger.append(points((A, NOW_MS, 1.0)))
        await ledger.seal()
        await ledger.append(points((A, NOW_MS + 1, 2.0), series=False))
    async with open_ledger() as ledger:
        await ledger.append(points((A, NOW_MS + 2, 3.0), series=False))
        assert samples_of(ledger.select([UP], *ALL)) == [(A, [(NOW_MS + i, i + 1.0) for i in range(3)])]


async def test_histograms_come_back_whole(open_ledger: Opener) -> None:
    """Native histogram samples pass through memory and files unchanged."""
    async with open_ledger() as ledger:
        await ledger.append(histograms((A, NOW_MS, histogram(3.0)), (A, NOW_MS + 1, histogram(4.0))))
        for _ in range(2):
            found = ledger.select([UP], *ALL)
            assert found.labels == [A]
            assert found.offsets.tolist() == [0, 0]
            assert found.histograms is not None
            assert found.histograms.times_ms.tolist() == [NOW_MS, NOW_MS + 1]
            assert [each.count for each in found.histograms.histograms.objects()] == [3.0, 4.0]
            await ledger.seal()
    async with open_ledger() as ledger:
        again = ledger.select([UP], *ALL).histograms
        assert again is not None
        assert [h.count for h in again.histograms.objects()] == [3.0, 4.0]


async def test_late_and_scattered_points_are_filed_and_found(ledger: Ledger) -> None:
    """Points of any time, from the epoch to the far future, come back sorted."""
    times = [0, 1, NOW_MS, NOW_MS - 86_400_000, 2**50, *(NOW_MS - i * 3_600_000 for i in range(40))]
    await ledger.append(points(*((A, time, float(time)) for time in times)))
    await ledger.seal()
    expected = [(time, float(time)) for time in sorted(set(times))]
    assert samples_of(ledger.select([UP], *ALL)) == [(A, expected)]
    assert samples_of(ledger.select([UP], 0, 1)) == [(A, expected[:2])]


async def test_an_hour_is_merged_after_its_end(ledger: Ledger, clock: Clock) -> None:
    """Files of an hour become one per slice, with nothing lost, and the first arrival still first."""
    for i in range(4):
        await ledger.append(points((A, NOW_MS + i, float(i)), (B, NOW_MS, 10.0 + i)))
        await ledger.seal()
    before = samples_of(ledger.select([UP], *ALL))
    clock.forward(2 * 3_600)
    await ledger.maintain()
    assert samples_of(ledger.select([UP], *ALL)) == before
    assert before[1] == (B, [(NOW_MS, 10.0)])


async def test_unknown_series_are_refused(ledger: Ledger) -> None:
    """Points whose series no batch has described would have no labels."""
    with pytest.raises(BatchRefused, match="unknown_series"):
        await ledger.append(points((A, NOW_MS, 1.0), series=False))
    await ledger.append(points((A, NOW_MS, 1.0)))
    assert len(ledger.select([UP], *ALL).labels) == 1


@pytest.mark.parametrize(
    ("matcher", "expected"),
    [
        (Matcher("job", MatchOp.EQ, "a"), [C, A]),
        (Matcher("job", MatchOp.NE, "a"), [B]),
        (Matcher("job", MatchOp.RE, "a|b"), [C, A, B]),
        (Matcher("job", MatchOp.NRE, "b.*"), [C, A]),
        (Matcher("job", MatchOp.RE, ""), []),
        (Matcher("none", MatchOp.EQ, ""), [C, A, B]),
        (Matcher("none", MatchOp.RE, ".*"), [C, A, B]),
        (Matcher("none", MatchOp.NE, ""), []),
        (Matcher("none", MatchOp.RE, ".+"), []),
    ],
)
async def test_matchers(ledger: Ledger, matcher: Matcher, expected: list[object]) -> None:
    """Matchers are anchored, and a missing label is empty."""
    await ledger.append(points((A, NOW_MS, 1.0), (B, NOW_MS, 1.0), (C, NOW_MS, 1.0)))
    assert list(ledger.select([matcher], *ALL).labels) == expected
    assert list(ledger.series([matcher], *ALL)) == expected


async def test_a_regex_that_re2_refuses(ledger: Ledger) -> None:
    """Backreferences and the like are refused as bad data."""
    with pytest.raises(QueryRefused, match="regular expression"):
        ledger.select([Matcher("job", MatchOp.RE, "(a")], *ALL)


async def test_series_and_metadata(ledger: Ledger) -> None:
    """Listing series honours the span of time; metadata is by family."""
    await ledger.append(points((A, NOW_MS, 1.0)))
    await ledger.append(points((B, NOW_MS + 10_000, 1.0)))
    assert list(ledger.series([UP], NOW_MS, NOW_MS + 1)) == [A]
    assert [(m.name, m.type) for m in ledger.metadata()] == [("up", "gauge")]
