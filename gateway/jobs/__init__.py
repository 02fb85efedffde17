"""Jobs and their parts, and how the state of the operations below rolls up to them."""
