"""Train and change sentencepiece models, and measure how well they cover text."""
