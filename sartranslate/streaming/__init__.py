"""A scene as a stream: windows in, read ahead, blended strips out."""
