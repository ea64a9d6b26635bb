"""Fitting the Pix2Pix GAN: updates, epochs, machines, and what a run leaves."""
