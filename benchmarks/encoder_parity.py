"""Compare our encoder with that of transformers for a Hugging Face directory, on a padded batch with five scripts.

    python benchmarks/encoder_parity.py DIRECTORY

Needs transformers. The exit status is 1 if the last hidden states (float32) differ by 1e-5 or more at any position that
is not padding.
"""

import argparse
import sys
from pathlib import Path

import torch
from transformers import AutoConfig, BertModel, RobertaModel, XLMRobertaModel

import swcm_fairseq  # noqa: F401
from swcm_fairseq.data.vocabulary import MASK, SENTENCEPIECE_FILE, dictionary_from_sentencepiece, load_sentencepiece
from swcm_fairseq.interop.read import read_encoder
from swcm_fairseq.models.model import XLMSWCMModel
from swcm_fairseq.models.model_config import XLMSWCMConfig
from swcm_fairseq.models.start_report import StartReport
from swcm_fairseq.models.warm_start import load

MODELS = {"bert": BertModel, "roberta": RobertaModel, "xlm-roberta": XLMRobertaModel}
TOLERANCE = 1e-5
LINES = [
    "今天天气很好。",
    "བོད་ཀྱི་སྐད་ཡིག",
    "بۈگۈن ھاۋا ناھايىتى ياخشى، شۇڭا بىز تاغقا چىقىمىز.",
    "Бүгін ауа райы өте жақсы.",
    "Өнөөдөр цаг агаар маш сайхан байна, бид ууланд гарна.",
    "a",
]


def main() -> None:
    """Print the sizes of both encoders and the largest difference."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=Path, metavar="DIRECTORY", help="an encoder in Hugging Face layout")
    directory = parser.parse_args().directory
    weights = read_encoder(directory)
    processor = load_sentencepiece(directory / SENTENCEPIECE_FILE)
    dictionary = dictionary_from_sentencepiece(processor)
    dictionary.add_symbol(MASK)
    config = XLMSWCMConfig(
        encoder_layers=weights.layers,
        encoder_embed_dim=weights.embed_dim,
        encoder_ffn_embed_dim=weights.ffn_embed_dim,
        encoder_attention_heads=weights.attention_heads,
        max_source_positions=weights.positions,
        max_target_positions=min(256, weights.positions),
        activation_fn=weights.activation_fn,
    )
    ours = XLMSWCMModel.from_config(config, dictionary).eval()
    report = StartReport(str(directory))
    load(ours, weights, dictionary, report)
    print(report.table(ours))

    ids = [[0, *(3 if i == 0 else i + 1 for i in line), 2] for line in processor.encode(LINES)]
    width = max(map(len, ids))
    batch = torch.tensor([line + [1] * (width - len(line)) for line in ids])
    real = batch.ne(1)
    kind = MODELS[AutoConfig.from_pretrained(directory).model_type]
    theirs = kind.from_pretrained(directory, add_pooling_layer=False, dtype=torch.float32).eval()
    with torch.no_grad():
        expected = theirs(input_ids=batch, attention_mask=real.long()).last_hidden_state
        hidden = ours.encoder(batch)["encoder_out"][0].transpose(0, 1)
    difference = (hidden[real] - expected[real]).abs().max().item()
    print(f"batch {list(batch.shape)}, {int((~real).sum())} pads; largest difference {difference:.2e}")
    sys.exit(difference >= TOLERANCE)


if __name__ == "__main__":
    main()
