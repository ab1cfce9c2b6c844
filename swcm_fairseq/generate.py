"""``swcm generate``: fairseq-generate with this plugin."""

from swcm_fairseq.errors import run_command
from swcm_fairseq.fairseq_command import run

DESCRIPTION = "Run fairseq-generate with this plugin: generate outputs for a split of a data directory."
OPTIONS = """  --task multilingual_denoising_mt --source-lang LANG --target-lang LANG --gen-subset test
  --path CHECKPOINT                    written by swcm train, or model.pt of swcm export
  --beam 4 --batch-size 32 --remove-bpe sentencepiece --required-batch-size-multiple 1
  --restrict-decoding                  only words of the target language
  --results-path DIR                   directory for generate-test.txt, which swcm score and swcm samples read"""


def main() -> None:
    """Run ``cli_main`` of fairseq-generate."""
    run("generate", DESCRIPTION, OPTIONS, "get_generation_parser")


if __name__ == "__main__":
    run_command(main)
