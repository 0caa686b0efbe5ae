"""NFD's image compatibility spec: model, decoding, and the check of one node."""
