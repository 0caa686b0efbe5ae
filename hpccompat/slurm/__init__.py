"""Slurm: what a job asks for, which nodes there are, what the submission becomes."""
