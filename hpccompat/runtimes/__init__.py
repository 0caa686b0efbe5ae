"""Which image a job uses: the options, variables and commands of HPC's container runtimes (pure)."""
