"""Rasters as files: opened, limited, warped and written block by block."""
