"""`make bench`: every bench, one after the other, or those named on the command line."""

import importlib
import sys
from pathlib import Path

ALL = sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py"))


def main(names: list[str]) -> None:
    """Run benches by name. Each prints its table and judges nothing."""
    for name in names or ALL:
        print(f"\n== {name}")
        importlib.import_module(f"tests.bench.{name}").main()


main(sys.argv[1:])
