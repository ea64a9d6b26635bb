"""Values of a radar image: their unit, scale and validity, apart from files and networks."""
