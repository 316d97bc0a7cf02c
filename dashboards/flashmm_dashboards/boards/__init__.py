"""Boards as code: Grafana's dashboards, one folder a role.

`python -m flashmm_dashboards.boards` writes them to `deploy/grafana`, where they are committed; only that needs
grafana-foundation-sdk. The rest of the program reads what was written.
"""

from flashmm_dashboards.boards._stored import StoredBoard, stored_boards
from flashmm_dashboards.boards.folders import FOLDERS, Folder

__all__ = ["FOLDERS", "Folder", "StoredBoard", "stored_boards"]
