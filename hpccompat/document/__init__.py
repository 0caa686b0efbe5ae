"""YAML and JSON, decoded the way NFD's Go code decodes them, with positions and limits (pure)."""
