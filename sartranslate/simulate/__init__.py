"""A made-up landscape as a radar and a camera see it."""
