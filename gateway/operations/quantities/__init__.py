"""Quantities: what an operation produced, good, scrap and rework, with the reasons of the scrap. A ledger: totals are sums."""
