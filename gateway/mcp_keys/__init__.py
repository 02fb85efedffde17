"""Keys of agents (MCP): which tools they may call, how often, and what they have called."""
