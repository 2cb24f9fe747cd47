"""Studies: several ways to find genotypes, compared at equal budget over seeds."""
