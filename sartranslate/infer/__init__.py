"""A scene translated: planned, generated, blended and written."""
