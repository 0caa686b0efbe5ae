"""Go's text/template, as far as this version has it: `varsTemplate` of NFD's rules (pure).

Text, comments, trim markers, fields, variables, literals, `range`, `with`, `if`, `else`, and the functions of the
table. A template that uses anything else is refused by name when the spec is loaded.
"""
