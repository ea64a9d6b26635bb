"""Folders of paired tiles: cut, split, checked, and fed as crops."""
