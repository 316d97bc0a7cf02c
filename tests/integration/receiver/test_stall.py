"""The product beside senders of what is large or hostile."""

import asyncio
from pathlib import Path

from tests.bench.stall import bodies, heartbeat, repeated, send
from tests.product import running_product

LONGEST_S = 15.0
"""Far above what a busy machine shows (0.6 s); a body of half a million gzip members took minutes."""


def test_nothing_that_is_sent_holds_up_the_others(tmp_path: Path) -> None:
    """While each of them is sent over and over, `/livez` answers."""
    with running_product(tmp_path) as product:
        for kind in ("dense protobuf", "large JSON", "gzip bombs"):
            works = [lambda each=each: send(product.otlp_http, *each) for each in bodies()[kind]()]
            with repeated(works):
                took = asyncio.run(heartbeat(product.http.removeprefix("http://"), 2.0))
            assert max(took) < LONGEST_S
