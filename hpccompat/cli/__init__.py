"""The command line: a parser, one thin file per command, rendering."""
