"""What a training run is asked for: networks, losses, optimisation, and how crops are varied and weights drawn."""
