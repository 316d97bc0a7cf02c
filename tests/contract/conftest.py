"""The two peers: Prometheus started once, ours new for each test."""

from collections.abc import Callable, Iterator

import pytest
from tests.contract.peers import Embedded, EmbeddedLedger, Peer, RealPrometheus, ThroughAdapter
from tests.parts import running_prometheus


@pytest.fixture(scope="session")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealPrometheus]:
    """A real Prometheus with the deployed configuration; skipped where it isn't built."""
    with running_prometheus(tmp_path_factory.mktemp("peer")) as server, RealPrometheus(server.base_url) as peer:
        yield peer


@pytest.fixture
def embedded() -> Iterator[Embedded]:
    """Our own way, empty."""
    with Embedded() as peer:
        yield peer


@pytest.fixture
def ledger() -> Iterator[EmbeddedLedger]:
    """Our own way over an empty ledger."""
    with EmbeddedLedger() as peer:
        yield peer


@pytest.fixture
def sealed_ledger() -> Iterator[EmbeddedLedger]:
    """The same with everything sealed into Parquet at once."""
    with EmbeddedLedger(seals=True) as peer:
        yield peer


@pytest.fixture
def adapter(prometheus: RealPrometheus) -> Iterator[ThroughAdapter]:
    """The metrics port over the real Prometheus."""
    with ThroughAdapter(prometheus) as peer:
        yield peer


@pytest.fixture(params=["embedded", "ledger", "sealed_ledger", "prometheus", "adapter"])
def peer(request: pytest.FixtureRequest) -> Peer:
    """Each implementation in turn."""
    get: Callable[[str], Peer] = request.getfixturevalue
    return get(request.param)
