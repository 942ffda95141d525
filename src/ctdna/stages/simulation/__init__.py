"""Parts of the simulator: alleles and genotypes, the flow cell's qualities, truth."""
