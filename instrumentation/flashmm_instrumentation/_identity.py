"""Who emits: the resource of everything that leaves."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from opentelemetry.sdk.resources import OTELResourceDetector, Resource

from flashmm_instrumentation.semconv import attributes as attr


@dataclass(frozen=True, slots=True)
class Identity:
    """bot and account are stable names; a run is one process."""

    service_name: str
    account: str
    bot: str
    environment: str | None
    namespace: str
    more: Mapping[str, str] = field(default_factory=dict[str, str])

    def resource(self, run: str, *, forked: bool = False) -> Resource:
        """These, over `OTEL_RESOURCE_ATTRIBUTES`, over the SDK's own.

        The instance is the bot unless told, so that series go on over a restart; a forked child has its own.
        """
        told = OTELResourceDetector().detect().attributes
        instance = str(told.get(attr.SERVICE_INSTANCE_ID, self.bot))
        ours = {
            **self.more,
            attr.SERVICE_NAME: self.service_name,
            attr.SERVICE_NAMESPACE: self.namespace,
            attr.SERVICE_INSTANCE_ID: f"{instance}/{run}" if forked else instance,
            attr.BOT: self.bot,
            attr.ACCOUNT: self.account,
            attr.RUN: run,
        }
        if self.environment is not None:
            ours[attr.DEPLOYMENT_ENVIRONMENT] = self.environment
        return Resource.create(ours)


def identity(
    service_name: str | None,
    account: str | None,
    bot: str | None,
    environment: str | None,
    namespace: str,
    more: Mapping[str, str] | None = None,
) -> Identity:
    """Names from arguments, else from the environment. Raises ValueError where a required one is missing."""
    told = OTELResourceDetector().detect().attributes
    service = service_name or os.environ.get("OTEL_SERVICE_NAME") or str(told.get(attr.SERVICE_NAME, ""))
    if not service:
        raise ValueError("no service name: pass service_name= or set OTEL_SERVICE_NAME")
    owner = account or os.environ.get("FLASHMM_ACCOUNT") or str(told.get(attr.ACCOUNT, ""))
    if not owner:
        raise ValueError(
            "no account: pass account=, any stable name for the exchange account, or set FLASHMM_ACCOUNT"
        )
    return Identity(service, owner, bot or str(told.get(attr.BOT, service)), environment, namespace, more or {})
