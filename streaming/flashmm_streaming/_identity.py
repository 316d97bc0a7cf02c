"""Who a record comes from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flashmm_backends.batch import Resource
from flashmm_instrumentation.semconv import attributes as attr

DEMO = "demo"
RESOURCES_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Owner:
    """The bot and account that a record belongs to; empty where it doesn't say."""

    bot: str
    account: str

    def body(self) -> dict[str, object]:
        return {"bot": self.bot, "account": self.account}


class Owners:
    """Bots by resource, and the `bots` items that announce them."""

    def __init__(self) -> None:
        self._owners: dict[int, Owner] = {}
        self._announced: dict[Owner, dict[str, object]] = {}

    def of(self, resource_id: int) -> Owner:
        """Whose resource it is."""
        return self._owners.get(resource_id, Owner("", ""))

    def learn(self, resources: Sequence[Resource], time_ms: int) -> list[dict[str, object]]:
        """Remember them; returns an item for each bot that is new or started again."""
        found: list[dict[str, object]] = []
        for resource in resources:
            owner = _owner(resource.attributes)
            self._remember(resource.id, owner)
            if owner.bot and (item := self._announcement(owner, resource.attributes)):
                found.append({**item, "time_ms": time_ms})
        return found

    def _remember(self, resource_id: int, owner: Owner) -> None:
        self._owners[resource_id] = owner
        if len(self._owners) > RESOURCES_MAX:
            del self._owners[next(iter(self._owners))]

    def _announcement(self, owner: Owner, attributes: Mapping[str, object]) -> dict[str, object] | None:
        item = {**owner.body(), **_identity(attributes)}
        if self._announced.get(owner) == item:
            return None
        self._announced[owner] = item
        if len(self._announced) > RESOURCES_MAX:
            del self._announced[next(iter(self._announced))]
        return item


def _owner(attributes: Mapping[str, object]) -> Owner:
    return Owner(str(attributes.get(attr.BOT) or ""), str(attributes.get(attr.ACCOUNT) or ""))


def _identity(attributes: Mapping[str, object]) -> dict[str, object]:
    environment = str(attributes.get(attr.DEPLOYMENT_ENVIRONMENT) or "")
    return {
        "run": str(attributes.get(attr.RUN) or ""),
        "service": str(attributes.get(attr.SERVICE_NAME) or ""),
        "environment": environment,
        "demo": environment == DEMO,
        "feed": str(attributes.get(attr.DEMO_FEED) or ""),
    }
