"""A translation beside its scene, as one page."""
