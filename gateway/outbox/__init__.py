"""The journal and what hangs on it: events, readers with positions, receipts."""
