"""What is kept on a disk: files that appear whole, locks, journals and fingerprints."""
