"""``swcm interactive``: fairseq-interactive with this plugin."""

from swcm_fairseq.errors import run_command
from swcm_fairseq.fairseq_command import run

DESCRIPTION = "Run fairseq-interactive with this plugin: generate outputs for lines from standard input or a file."
OPTIONS = """  --task multilingual_denoising_mt --source-lang LANG --target-lang LANG
  --path CHECKPOINT                    written by swcm train, or model.pt of swcm export
  --input FILE                         lines to read (default: standard input)
  --bpe sentencepiece --sentencepiece-model DATA/sentencepiece.bpe.model     for text that is not encoded yet
  --beam 4 --buffer-size 32 --batch-size 32"""


def main() -> None:
    """Run ``cli_main`` of fairseq-interactive."""
    run("interactive", DESCRIPTION, OPTIONS, "get_interactive_generation_parser")


if __name__ == "__main__":
    run_command(main)
