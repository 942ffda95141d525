"""One module per stage: columns in, columns and counts out; no file is opened here."""
