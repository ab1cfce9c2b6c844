"""Turn published corpora into the data directories that training reads."""

import swcm_fairseq  # noqa: F401  (before the commands' heavy imports, so that Ctrl-C and errors print one line)
