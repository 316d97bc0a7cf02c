"""A lookup by id opens the sealed files that may hold the id, and finds whatever they hold."""

from pathlib import Path

from tests.unit.backends.ledger.batches import event, events, span, spans
from tests.unit.backends.ledger.conftest import START_NS, Clock, Opener

from flashmm_backends.ledger import LedgerSettings
from flashmm_backends.ledger._keys import KeyLists
from flashmm_backends.ledger._ledger import Ledger
from flashmm_backends.ledger._tables import SPANS

SMALL = LedgerSettings(maintenance_interval_s=3_600.0, row_seal_rows=2)
"""A file for each order."""
ORDERS = 5


async def fill(ledger: Ledger) -> None:
    """A sealed file of spans and one of events for each order, but for the last, which is recent."""
    for i in range(ORDERS):
        order_id = f"o-{i}\u00e4"
        state = {"venue": "v", "symbol": "s", "order_id": order_id, "state": "acked", "side": "buy"}
        placed = span(i + 1, 1, "order", START_NS + i, flashmm__order__id=order_id)
        await ledger.append(spans(placed, span(i + 1, 2, "ack", START_NS + i)))
        await ledger.append(events(*(event("flashmm.order", 2 * i + k, START_NS + i, state) for k in (1, 2))))
        if i < ORDERS - 1:
            await ledger.maintain()


async def check(ledger: Ledger) -> None:
    """Every order is found whole, by its id and by its trace."""
    for i in range(ORDERS):
        found = await ledger.order(f"o-{i}\u00e4")
        assert (len(found.placement), len(found.events)) == (2, 2)
        assert len(await ledger.trace((i + 1).to_bytes(16, "big"))) == 2


async def test_a_lookup_needs_the_files_that_hold_the_id_alone(open_ledger: Opener, tmp_path: Path) -> None:
    """Each of the others is ruled out by its list, for orders and for traces."""
    async with open_ledger(SMALL) as ledger:
        await fill(ledger)
        await check(ledger)
        files = ledger._parts.reading.catalog.snapshot.of(SPANS.name)
        assert len(files) == ORDERS - 1
        for wanted in ("o-1\u00e4", (2).to_bytes(16, "big").hex()):
            assert KeyLists(tmp_path / "ledger").holding(files, [wanted]) == files[1:2]


async def test_a_file_without_a_list_may_hold_anything(open_ledger: Opener, tmp_path: Path) -> None:
    """Lists that are missing or damaged hide nothing."""
    async with open_ledger(SMALL) as ledger:
        await fill(ledger)
        missing, damaged, *_ = sorted((tmp_path / "ledger" / "sealed" / SPANS.name).glob("*.keys"))
        missing.unlink()
        damaged.write_bytes(b"odd")
        await check(ledger)


async def test_a_list_lives_as_long_as_its_file(open_ledger: Opener, tmp_path: Path, clock: Clock) -> None:
    """It stays over a restart; what a crash left is removed, and retention takes both."""
    sealed = tmp_path / "ledger" / "sealed" / SPANS.name
    async with open_ledger(SMALL) as ledger:
        await fill(ledger)
    orphan = sealed / "9999.parquet.keys"
    orphan.write_bytes(b"")
    async with open_ledger(SMALL) as ledger:
        assert not orphan.exists()
        assert len(list(sealed.glob("*.keys"))) == ORDERS - 1
        await check(ledger)
        clock.forward(31 * 86_400)
        await ledger.maintain()
        assert list(sealed.glob("*.keys")) == list(sealed.glob("*.parquet")) == []
