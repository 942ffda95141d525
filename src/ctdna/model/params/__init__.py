"""The parameters of each stage, one frozen model a stage; the kit holds one of each."""
