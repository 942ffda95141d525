"""Background, detection limits, intervals and the tables of the Phred scale."""
