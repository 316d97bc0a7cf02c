"""Signing an order as the exchange wants it.

Source: Binance USD-M futures, "Signed endpoint security": HMAC-SHA256 of the query string.
"""

import hmac
from urllib.parse import urlencode

from flashmm_demo.exchange import OrderRequest


class Signer:
    """Signs with one account's secret."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def sign(self, request: OrderRequest, now_ns: int) -> str:
        """The order's query string with its signature."""
        query = urlencode(
            {
                "symbol": request.symbol,
                "side": "BUY" if request.sign > 0 else "SELL",
                "type": "LIMIT",
                "timeInForce": "GTX",
                "quantity": request.quantity,
                "price": request.price,
                "newClientOrderId": request.order_id,
                "timestamp": now_ns // 1_000_000,
            }
        )
        return f"{query}&signature={hmac.new(self._secret, query.encode(), 'sha256').hexdigest()}"
