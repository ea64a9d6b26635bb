"""Models and translated scenes scored under one protocol."""
