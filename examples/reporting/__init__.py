"""What examples/report.py is made of: the paper's tables, finished runs, and files of both."""
