"""/metrics: what the gateway knows of itself, for Prometheus. `docs/metrics.md` is the list."""
