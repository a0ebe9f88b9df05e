"""The porch: commands, messages, exit codes."""
