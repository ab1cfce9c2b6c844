"""Text files and their lines: reading, cleaning, comparing and dividing them."""
