"""Grafana's folders, one a role: who reads what. Uids are stable, so that a push finds what an earlier one made."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of boards for one role.

    name: its directory under `deploy/grafana/boards`. team: whose members may read it, empty where everybody who is
    logged in may. shared: its boards are readable without a login.
    """

    name: str
    title: str
    team: str = ""
    shared: bool = False

    @property
    def uid(self) -> str:
        """Grafana's identity of the folder."""
        return f"flashmm-{self.name}"


ADMIN: Final = Folder("admin", "Admin", team="FlashMM Admins")
TRADER: Final = Folder("trader", "Trader", team="FlashMM Traders")
RISK_MANAGER: Final = Folder("risk-manager", "Risk Manager", team="FlashMM Risk Managers")
VIEWER: Final = Folder("viewer", "Viewer")
PUBLIC: Final = Folder("public", "Public", shared=True)

FOLDERS: Final = (ADMIN, TRADER, RISK_MANAGER, VIEWER, PUBLIC)
"""All of the above. Grafana's own admins read and write every one."""
