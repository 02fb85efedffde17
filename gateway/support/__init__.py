"""What somebody far away needs to help: how the box is, and nothing of what is made on it or by whom."""
