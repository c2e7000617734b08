"""The probes, by category."""
