"""NFD's rule engine and nothing else: `evaluate(rule, features, matched)`."""
