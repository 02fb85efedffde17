"""Conflicts with the cloud: shown, and decided by people. `cloud/conflicts.py` finds them."""
