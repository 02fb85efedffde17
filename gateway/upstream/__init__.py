"""A hub as this gateway's cloud: another gateway, or a cloud that has learnt what a gateway needs."""
