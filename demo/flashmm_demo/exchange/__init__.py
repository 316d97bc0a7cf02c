"""Exchanges for a paper bot: what crosses to them, the way there, and the tape-driven one."""

from flashmm_demo.exchange._gateway import Gateway, Reports
from flashmm_demo.exchange._orders import Account, Accounts, Exchange, Execution, OrderRequest
from flashmm_demo.exchange._paper import PaperExchange

__all__ = [
    "Account",
    "Accounts",
    "Exchange",
    "Execution",
    "Gateway",
    "OrderRequest",
    "PaperExchange",
    "Reports",
]
