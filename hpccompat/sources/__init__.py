"""Feature sources: one file per domain, each reads one host root and returns feature sets.

Standard library only: the collector on every node imports them.
"""
