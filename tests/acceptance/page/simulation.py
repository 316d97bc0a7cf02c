"""A market maker's day in miniature, seeded: enough of everything for the page to be looked at."""

import random
from collections.abc import Iterator
from decimal import Decimal

from tests.acceptance.page.batches import MILLISECOND, SECOND, Bot, spread_fields

from flashmm_backends.batch import Batch, Event

STAGES_US = {"receive": 8, "decide": 95, "risk_check": 22, "sign": 140, "submit": 60, "ack": 1_900}
CENT = Decimal("0.01")
TICK = Decimal("0.1")


class Simulation:
    """One bot on one market. `second` yields the batches of the next second."""

    def __init__(self, bot: Bot, symbol: str = "BTCUSDT", mid: float = 61_480.0, seed: int = 7) -> None:
        self.bot, self.symbol = bot, symbol
        self._random = random.Random(seed)
        self._mid = mid
        self._position = Decimal(0)
        self._cash = Decimal(0)
        self._fees = Decimal(0)
        self._orders = self._fills = 0
        self._accuracy = 0.56
        self._width = 8.0
        self._ratios = (Decimal(0), Decimal(0))
        self.details: dict[str, tuple[list[object], list[Event]]] = {}

    def second(self, end_ns: int) -> Iterator[Batch]:
        """What the bot sends for the second that ends then."""
        draw = self._random
        self._mid = round(self._mid + draw.gauss(0, 3.2), 1)
        yield self.bot.events(end_ns, *self._sample(end_ns))
        for at in sorted(end_ns - draw.randrange(SECOND) for _ in range(draw.choice((0, 1, 1, 2)))):
            yield from self._order(at)
        yield self._gauges(end_ns)

    def _sample(self, end_ns: int) -> Iterator[Event]:
        draw = self._random
        tight = draw.random() < 0.7
        self._width = 0.9 * self._width + 0.1 * (7.0 if tight else draw.uniform(8, 14))
        market = Decimal(str(round(self._width + draw.gauss(0, 0.15), 1)))
        own = (market * Decimal(draw.randrange(78, 92)) / 100).quantize(TICK)
        self._ratios = (own / Decimal(str(self._mid)), market / Decimal(str(self._mid)))
        up = SECOND if draw.random() < 0.9 else draw.randrange(SECOND)
        yield self.bot.event(
            "flashmm.spread.sample",
            end_ns,
            **spread_fields(
                Decimal(str(self._mid)),
                own,
                market,
                min(own, market),
                symbol=self.symbol,
                one_tick_ns=int(SECOND * (draw.uniform(0.75, 1) if tight else draw.uniform(0.1, 0.6))),
                two_sided_ns=max(up, 1),
            ),
        )
        if draw.random() < 0.02:
            self.bot.lose("flashmm.order")
        number = end_ns // SECOND
        said = draw.gauss(0, 1)
        yield self.bot.event("flashmm.prediction", end_ns, **self._model(number), horizon_ns=SECOND, value=said)
        truth = said if draw.random() < 0.57 else -said
        yield self.bot.event("flashmm.outcome", end_ns, **self._model(number), value=truth)

    def _model(self, number: int) -> dict[str, object]:
        return {"venue": "binance", "symbol": self.symbol, "model": "microprice-ridge", "prediction_id": str(number)}

    def _order(self, at_ns: int) -> Iterator[Batch]:
        draw = self._random
        self._orders += 1
        order_id = f"{self.bot.bot}-{self.symbol[:3].lower()}-{self._orders:06d}"
        side = draw.choice(("buy", "sell"))
        price = Decimal(str(self._mid)).quantize(TICK) + (-TICK if side == "buy" else TICK) * draw.randint(1, 4)
        quantity = Decimal(draw.randint(1, 40)) / 1000
        stages = {stage: max(1, int(draw.lognormvariate(0, 0.35) * taken)) for stage, taken in STAGES_US.items()}
        rejected = draw.random() < 0.03
        spans = self.bot.placement(order_id, self.symbol, side, at_ns, stages, "rejected" if rejected else "acked")
        acked_ns = spans[-1].end_ns
        states = [("pending", at_ns), ("rejected" if rejected else "acked", acked_ns)]
        fill = [] if rejected or draw.random() > 0.45 else [self._fill(order_id, side, price, quantity, acked_ns)]
        if fill:
            states.append(("filled", fill[0].time_ns))
        elif not rejected and draw.random() < 0.6:
            states.append(("cancelled", acked_ns + draw.randrange(40, 900) * MILLISECOND))
        common = {
            "venue": "binance",
            "symbol": self.symbol,
            "order_id": order_id,
            "side": side,
            "price": price,
            "quantity": quantity,
        }
        reasons = {"rejected": "post-only would cross", "cancelled": "requote"}
        events = [
            self.bot.event("flashmm.order", when, **common, state=state, reason=reasons.get(state))
            for state, when in states
        ]
        self.details[order_id] = (list(spans), [*events, *fill])
        yield self.bot.spans(acked_ns, spans)
        yield self.bot.events(acked_ns, *events, *fill)

    def _fill(self, order_id: str, side: str, price: Decimal, quantity: Decimal, acked_ns: int) -> Event:
        self._fills += 1
        signed = quantity if side == "buy" else -quantity
        if abs(self._position + signed) > Decimal("0.25"):
            signed = -signed
            side = "sell" if side == "buy" else "buy"
        fee = -(price * quantity * Decimal("0.00002")).quantize(Decimal("0.00000001"))
        self._position += signed
        self._cash -= signed * price
        self._fees += fee
        drift = Decimal(str(round(self._random.gauss(0.9, 2.0), 1)))
        mid = price + drift if side == "buy" else price - drift
        self._cash += abs(signed) * Decimal("2.1")
        return self.bot.event(
            "flashmm.fill",
            acked_ns + self._random.randrange(30, 800) * MILLISECOND,
            venue="binance",
            symbol=self.symbol,
            fill_id=f"F{self._fills:07d}",
            order_id=order_id,
            trade_id=str(5_300_000_000 + self._fills),
            side=side,
            price=price,
            quantity=quantity,
            liquidity="maker" if self._random.random() < 0.94 else "taker",
            fee=fee,
            fee_currency="USDT",
            mid=mid,
        )

    def _gauges(self, end_ns: int) -> Batch:
        mid = Decimal(str(self._mid))
        market = {"flashmm_venue": "binance", "flashmm_symbol": self.symbol}
        currency = {"flashmm_currency": "USDT"}
        unrealized = self._position * mid * Decimal("0.0004")
        realized = self._cash + self._position * mid - unrealized
        self._accuracy = min(0.64, max(0.5, self._accuracy + self._random.gauss(0, 0.004)))
        kinds = {"flashmm_side": "buy", "flashmm_liquidity": "maker"}
        outcome = {"flashmm_side": "buy", "flashmm_order_outcome": "acked"}
        return self.bot.points(
            end_ns,
            [
                ("flashmm_pnl_realized", float(realized), currency),
                ("flashmm_pnl_unrealized", float(unrealized), currency),
                ("flashmm_pnl_fees", float(self._fees), currency),
                ("flashmm_pnl_funding", -0.0125, currency),
                ("flashmm_quote_spread_ratio", float(self._ratios[0]), market),
                ("flashmm_market_spread_ratio", float(self._ratios[1]), market),
                ("flashmm_inventory_position", float(self._position), market),
                ("flashmm_inventory_utilization_ratio", float(abs(self._position) / Decimal("0.25")), market),
                ("flashmm_fills_total", float(self._fills), market | kinds),
                ("flashmm_orders_total", float(self._orders), market | outcome),
                (
                    "flashmm_model_accuracy_ratio",
                    round(self._accuracy, 4),
                    {"flashmm_model": "microprice-ridge", "flashmm_symbol": self.symbol},
                ),
            ],
        )
