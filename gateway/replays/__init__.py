"""Replays: a stretch of the journal that is sent to one way out again, because somebody asked for it."""
