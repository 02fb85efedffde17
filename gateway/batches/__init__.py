"""Batches: operations that are worked on at once, and how the time on them is shared out."""
