"""An environment of MCP tools."""
