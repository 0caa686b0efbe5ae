"""A real Slurm cluster and a real registry on loopback, for tests and the demo."""
