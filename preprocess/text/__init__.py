"""Read, clean, compare and split text files line by line."""
