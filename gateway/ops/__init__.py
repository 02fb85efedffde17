"""Behind the operations page: who comes in, how things stand, what is wrong. No HTTP."""
