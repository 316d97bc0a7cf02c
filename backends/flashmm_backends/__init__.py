"""Where telemetry is kept and asked for: the ports, the ledger, the PromQL engine, adapters for real stores."""
