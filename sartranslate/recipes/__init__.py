"""What a training run is asked for: networks, losses, optimisation and augmentation, as data."""
