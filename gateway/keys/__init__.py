"""API keys over HTTP: made, listed and ended by whoever has an admin key."""
