"""Who a record comes from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from prometheus_client import Counter

from flashmm_backends.batch import Resource
from flashmm_instrumentation.semconv import attributes as attr
from flashmm_streaming._recent import Recent

DEMO = "demo"
RESOURCES_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Owner:
    """The bot and account that a record belongs to; empty where it doesn't say."""

    bot: str
    account: str

    def body(self) -> dict[str, object]:
        return {"bot": self.bot, "account": self.account}


@dataclass(frozen=True, slots=True)
class Sender:
    """An owner in one of its runs."""

    owner: Owner
    run: str


_NOBODY: Final = Sender(Owner("", ""), "")


class Owners:
    """Bots by resource, and the `bots` items that announce them."""

    def __init__(self, forgotten: Counter) -> None:
        self._senders: Recent[int, Sender] = Recent(RESOURCES_MAX, forgotten.labels("resources"))
        self._announced: Recent[Owner, dict[str, object]] = Recent(RESOURCES_MAX, forgotten.labels("bots"))

    def of(self, resource_id: int) -> Sender:
        """Whose resource it is."""
        return self._senders.get(resource_id, _NOBODY)

    def learn(self, resources: Sequence[Resource], time_ms: int) -> list[dict[str, object]]:
        """Remember them; returns an item for each bot that is new or started again."""
        found: list[dict[str, object]] = []
        for resource in resources:
            owner = _owner(resource.attributes)
            self._senders.put(resource.id, Sender(owner, _run(resource.attributes)))
            is_probe = resource.attributes.get(attr.SERVICE_NAME) == attr.PROBE
            if owner.bot and not is_probe and (item := self._announcement(owner, resource.attributes)):
                found.append({**item, "time_ms": time_ms})
        return found

    def _announcement(self, owner: Owner, attributes: Mapping[str, object]) -> dict[str, object] | None:
        item = {**owner.body(), **_identity(attributes)}
        if self._announced.get(owner) == item:
            return None
        self._announced.put(owner, item)
        return item


def _owner(attributes: Mapping[str, object]) -> Owner:
    return Owner(str(attributes.get(attr.BOT) or ""), str(attributes.get(attr.ACCOUNT) or ""))


def _run(attributes: Mapping[str, object]) -> str:
    return str(attributes.get(attr.RUN) or "")


def _identity(attributes: Mapping[str, object]) -> dict[str, object]:
    environment = str(attributes.get(attr.DEPLOYMENT_ENVIRONMENT) or "")
    return {
        "run": _run(attributes),
        "service": str(attributes.get(attr.SERVICE_NAME) or ""),
        "environment": environment,
        "demo": environment == DEMO,
        "feed": str(attributes.get(attr.DEMO_FEED) or ""),
    }
