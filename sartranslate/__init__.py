"""SAR scenes to georeferenced RGB GeoTIFFs, and the Pix2Pix GAN that translates them."""

__version__ = "0.1.0"
