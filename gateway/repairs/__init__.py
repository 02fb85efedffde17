"""What may be wrong with this box, what that does, how it is mended: one list, for `doctor`, the operations page and /healthz."""
