"""Rasters that are delivered: COGs, mosaics, STAC items and object stores."""
