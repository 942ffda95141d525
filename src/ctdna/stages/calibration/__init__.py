"""The parts of the calibrate stage: mixing, unmixed samples, conclusions."""
