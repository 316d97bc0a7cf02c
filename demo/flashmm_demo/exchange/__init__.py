"""Exchanges for a paper bot: what crosses to them, the way there, and the tape-driven one."""

from flashmm_demo.exchange._gateway import Gateway, LinkTerms, Reports
from flashmm_demo.exchange._orders import (
    WOULD_TAKE,
    Account,
    Accounts,
    Amendment,
    Exchange,
    Execution,
    OrderRequest,
)
from flashmm_demo.exchange._paper import PaperExchange

__all__ = [
    "WOULD_TAKE",
    "Account",
    "Accounts",
    "Amendment",
    "Exchange",
    "Execution",
    "Gateway",
    "LinkTerms",
    "OrderRequest",
    "PaperExchange",
    "Reports",
]
