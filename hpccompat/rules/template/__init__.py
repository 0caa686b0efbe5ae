"""Go's text/template with the sprig functions: `varsTemplate` of NFD's rules (pure).

text → lexer → parser → tree → execute → text. The functions stand in one table, `functions.py`; each row has the Go
types of its parameters, and Go's typing decides which calls are errors. Strings are bytes here, as they are in Go.
What depends on the clock, on chance, on secrets or on the host is refused by name when a spec is loaded.

Nothing in this package is imported for a spec without a template: `rules/vars_template.py` is the door.
"""
