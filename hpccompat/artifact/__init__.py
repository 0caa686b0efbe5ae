"""From a reference to the compatibility spec that belongs to it: bytes, digest, and where they were found."""
