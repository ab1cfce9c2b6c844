"""The data directory that binarization writes."""
