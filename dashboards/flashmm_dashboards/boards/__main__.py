"""Write the boards: `python -m flashmm_dashboards.boards [deploy/grafana]`."""

import sys
from pathlib import Path

from flashmm_dashboards.boards._catalogue import grafana_files


def write(folder: Path) -> None:
    """Write every generated file, and remove boards that are no more."""
    for stale in folder.glob("boards/*/*.json"):
        stale.unlink()
    for name, text in grafana_files().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


if __name__ == "__main__":
    write(Path(sys.argv[1] if len(sys.argv) > 1 else "deploy/grafana"))
