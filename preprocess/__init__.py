"""From corpora as they are published to the data directories that training reads."""

import swcm_fairseq  # noqa: F401  (before the heavy imports of the commands: it shows Ctrl-C and errors as one line)
