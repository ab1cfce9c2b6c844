"""Sentencepiece models: training them, changing them, and how well they cover text."""
