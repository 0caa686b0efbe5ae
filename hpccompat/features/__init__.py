"""What rules read, sources write and node records keep: NFD's feature sets."""
