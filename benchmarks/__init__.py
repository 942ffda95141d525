"""ctdna held against its peers, and against itself."""
