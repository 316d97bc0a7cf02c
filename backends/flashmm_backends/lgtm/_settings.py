"""How a store of other people's is reached."""

from dataclasses import dataclass

from flashmm_backends.ranges import Pause, Seconds, Threads


@dataclass(frozen=True)
class EndpointSettings:
    """Address, credentials and patience of one store's HTTP API."""

    url: str = ""
    """Its base address, with the base path where there is one, as in http://mimir:9009/prometheus."""

    tenant: str = ""
    """Sent as X-Scope-OrgID, which Mimir and Tempo ask for where they keep tenants apart; empty sends none."""

    token: str = ""
    """Bearer token; empty sends none."""

    username: str = ""
    """User of HTTP Basic authentication (Grafana Cloud: the instance's number); used where no token is set."""

    password: str = ""
    """Its password."""

    ca_file: str = ""
    """PEM file of the authority that signed the store's certificate; empty trusts the system's."""

    attempt_s: Seconds = 30.0
    """How long one attempt may take."""

    deadline_s: Seconds = 60.0
    """How long all attempts together may take; after it the store counts as unavailable."""

    backoff_s: Seconds = 0.1
    """The longest wait before the first retry; it doubles with each, and every wait is random below it."""

    backoff_max_s: Seconds = 5.0
    """Where the doubling ends."""


@dataclass(frozen=True)
class TempoSettings:
    """What only Tempo's reader needs."""

    lookback_s: Seconds = 604_800.0
    """How far back an order that no event tells of is searched; Tempo's own limit is a week (`max_duration`)."""

    whole_s: Pause = 5.0
    """How long to wait for spans of a trace that is still arriving."""

    settled_s: Pause = 60.0
    """A trace this old isn't waited for: what it lacks was lost."""

    poll_s: Seconds = 0.25
    """How often an incomplete trace is asked for again."""

    concurrent_max: Threads = 8
    """Traces asked for at once."""
