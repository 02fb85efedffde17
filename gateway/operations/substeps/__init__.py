"""Substeps: the checklist of an operation. An operation may be completed without them."""
