"""The Admin's board: is the stack healthy, are we, how long will it last."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from flashmm_dashboards.boards import _health as health
from flashmm_dashboards.boards._frame import board
from flashmm_dashboards.boards.folders import ADMIN


def admin() -> Dashboard:
    """Health of the servers, of flashmm, of what bots send; and the capacity's trend."""
    return board(
        ADMIN,
        "flashmm-admin",
        "The stack",
        "Whether telemetry gets from the bots to the stores, and how long the machine will last.",
        (health.servers(),),
        (health.disk_lasts(), health.ledger_size(), health.retention_lost(), health.readers()),
        (health.collector_queues(), health.refused()),
        (health.accepted(), health.delivered()),
        (health.given_up(), health.lost_here()),
        (health.received(), health.answers()),
        (health.commit_time(), health.ledger_queue()),
        (health.disk_free(), health.series_trend()),
        (health.memory(), health.processor()),
        (health.bots_queues(), health.export_lag()),
        (health.bots_complaints(), health.clock_offset()),
        (health.series_of_limit(), health.series_known()),
    )
