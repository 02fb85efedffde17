"""Copies of everything that this box knows: made while it works, proven, kept in number, brought back on this box or another."""
