"""A trained generator as something fast that runs: folded, compiled, chosen."""
