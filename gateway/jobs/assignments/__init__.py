"""Assignments: who is to work on a job or part, and how far he is with it."""
