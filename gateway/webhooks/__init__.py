"""Webhooks: who wants to be told of what, and the log of what was told."""
