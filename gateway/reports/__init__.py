"""What the rows add up to: questions of people and agents, answered by reading. Nothing here writes."""
