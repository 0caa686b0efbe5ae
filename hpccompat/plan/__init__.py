"""Which nodes satisfy a spec (pure)."""
