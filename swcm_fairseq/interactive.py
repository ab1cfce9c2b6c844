"""``swcm interactive``: fairseq-interactive with this plugin."""

from swcm_fairseq.errors import run_command
from swcm_fairseq.fairseq_command import run

DESCRIPTION = "fairseq-interactive with this plugin: outputs for lines of standard input or of a file."
OPTIONS = """  --task multilingual_denoising_mt --source-lang LANG --target-lang LANG
  --path CHECKPOINT                    written by swcm train, or model.pt of swcm export
  --input FILE                         lines to read (default: standard input)
  --bpe sentencepiece --sentencepiece-model DATA/sentencepiece.bpe.model     for text that is not encoded yet
  --beam 4 --buffer-size 32 --batch-size 32"""


def main() -> None:
    """fairseq-interactive's ``cli_main``."""
    run("interactive", DESCRIPTION, OPTIONS, "get_interactive_generation_parser")


if __name__ == "__main__":
    run_command(main)
