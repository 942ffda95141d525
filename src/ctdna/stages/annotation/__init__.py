"""The parts of annotation: genome, transcripts, HGVS names, protein change, knowledge, tier."""
