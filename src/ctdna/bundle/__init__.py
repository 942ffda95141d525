"""Result bundles: made, signed, verified, exported; and the sign-off of results."""
