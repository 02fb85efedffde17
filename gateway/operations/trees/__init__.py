"""Job trees: a job or part with everything below it is created whole or not at all, and deleted whole.

They live above jobs and operations because they write both.
"""
