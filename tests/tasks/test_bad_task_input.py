"""Every mistake is reported in one line that says what is wrong, where, and how to fix it."""

import json
import shutil

import pytest
import torch

from swcm_fairseq.data.corpora import Corpora, Corpus, Kind
from swcm_fairseq.errors import InputError
from tests.tasks.task_data import PIECES, fill, random_texts, write_dictionary, write_indexed


@pytest.fixture()
def place(data_bin, tmp_path):
    """A copy of the data directory to damage."""
    return shutil.copytree(data_bin, tmp_path / "data-bin")


def refused(make_task, data=None, split="train", **options) -> str:
    with pytest.raises(InputError) as caught:
        task = make_task(data, **options)
        task.load_dataset(split, epoch=1, combine=split == "train")
        task.get_batch_iterator(task.dataset(split), max_sentences=4, max_tokens=300, seed=1)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"langs": "bo,kk"}, r"corpus zh is in 'zh', which is not in --langs bo,kk; use --langs bo,kk,zh"),
        ({"langs": "bo,bo"}, "name each language once"),
        ({"langs": "tibetan"}, "not a language code"),
        ({"source_lang": "fr"}, "'fr' is not one of the languages"),
        ({"directions": "both"}, "--directions both: ti_sum has bo on both sides"),
        ({"corpora": "zh-ug"}, "--corpora zh-ug: .* no such corpus; available: bo, "),
        ({"source_lang": "zh", "target_lang": "ug"}, "--source-lang zh --target-lang ug selects nothing"),
        ({"sampling_alpha": 0.0}, "--sampling-alpha 0.0"),
        ({"sampling_beta": float("nan")}, "--sampling-beta nan"),
        ({"sampling_beta": 2000.0}, "--sampling-beta 2000.0: give a number from 0 to 1"),
        ({"update_freq": [0]}, "--update-freq 0: give numbers of 1 or more"),
        ({"data": "here::there"}, "the data path 'here::there' has an empty part"),
        ({"sampling_alpha": 1.5}, "--sampling-alpha 1.5"),
        ({"translation_share": 1.5}, "--translation-share 1.5"),
        ({"corpora": "bo", "translation_share": 0.5}, "no pairs corpora"),
        ({"language_share": "zh"}, "--language-share zh: write LANG=SHARE, such as zh=0.25"),
        ({"language_share": "zh=2"}, "--language-share zh 2.0: give a share from 0 to 1"),
        ({"language_share": "kk=0.5"}, "--language-share kk 0.5: there are no kk corpora"),
        ({"language_share": "zh=0.5", "translation_share": 0.5}, "give one of them"),
        ({"samples_per_epoch": -1}, "--samples-per-epoch -1"),
        ({"tokens_per_sample": 3}, "to leave room for text"),
        ({"mask": 2.0}, "--mask 2.0"),
        ({"poisson_lambda": float("nan")}, "--poisson-lambda nan"),
        ({"poisson_lambda": 1e-9}, "--poisson-lambda 1e-09"),
        (
            {"word_units": "bo=letter"},
            "--word-units bo=letter: write LANG=UNIT, where UNIT is one of space, tsheg, piece",
        ),
        ({"eval_metric": "bleu", "eval_args": "beam=1"}, "--eval-args beam=1"),
        ({"tokens_per_sample": 400, "insert": 1.0, "corpora": "bo"}, None),
    ],
    ids=str,
)
def test_options(make_task, options, message):
    if message is None:  # within all limits
        make_task(**options).load_dataset("train", epoch=1)
    else:
        import re

        assert re.search(message, refused(make_task, **options))


def test_sample_longer_than_a_batch(make_task, tmp_path):
    fill(tmp_path, longest=400)
    assert "--max-tokens 300: the longest sample has" in refused(make_task, tmp_path, tokens_per_sample=380)


def test_unknown_split(make_task):
    assert "no chosen corpus has a split 'dev'; available: test, train, valid" in refused(make_task, split="dev")


def test_missing_directory_and_empty_directory(make_task, tmp_path):
    assert "no such directory" in refused(make_task, tmp_path / "gone")
    assert "dict.txt: no such dictionary" in refused(make_task, tmp_path)
    write_dictionary(tmp_path / "dict.txt")
    assert "contains no corpora.json" in refused(make_task, tmp_path)


def test_corpus_without_samples(make_task, place):
    write_indexed(place / "bo/train", [])
    assert "bo/train.bin: has no samples; leave the corpus out with --corpora" in refused(make_task, place)


def test_other_vocabulary(make_task, place):
    write_dictionary(place / "dict.txt", PIECES[::-1])
    assert "was not written with the vocabulary in" in refused(make_task, place)


def test_valid_set_of_another_vocabulary(make_task, place):
    write_indexed(place / "bo/valid", random_texts(9, 9, 0, vocabulary=5000))
    message = refused(make_task, place, split="valid")
    assert "bo/valid.bin: contains ids outside the dictionary" in message and "another vocabulary" in message


def test_stock_directories_with_different_vocabularies(make_task, tmp_path):
    write_dictionary(tmp_path / "dict.zh.txt")
    write_dictionary(tmp_path / "dict.bo.txt", PIECES[:-1])
    assert "is not the vocabulary in" in refused(make_task, tmp_path)


def test_shards_with_different_vocabularies(make_task, data_bin, place):
    write_dictionary(place / "dict.txt", PIECES[:-1])
    recorded = json.loads((place / "corpora.json").read_text())
    from swcm_fairseq.data.vocabulary import checksum, load_dictionary

    recorded["vocabulary"]["checksum"] = checksum(load_dictionary(place / "dict.txt"))
    (place / "corpora.json").write_text(json.dumps(recorded))
    assert "has a different vocabulary from" in refused(make_task, f"{data_bin}:{place}")


def test_index_and_data_do_not_match(make_task, place):
    (place / "bo/train.bin").write_bytes((place / "bo/train.bin").read_bytes()[:-2])
    assert "bytes, but its index says" in refused(make_task, place)


def test_damaged_and_missing_files(make_task, place):
    (place / "bo/train.idx").write_bytes(b"no index")
    assert "train.idx: not a memory-mapped index" in refused(make_task, place)
    (place / "bo/train.idx").write_bytes((place / "bo/valid.idx").read_bytes()[:-3])
    assert "train.idx: has 95 bytes instead of 98; binarize the text again" in refused(make_task, place)
    (place / "bo/train.idx").write_bytes((place / "bo/valid.idx").read_bytes()[:12])
    assert "train.idx: has 12 bytes instead of 26" in refused(make_task, place)
    (place / "bo/train.idx").unlink()
    assert "train.idx: missing" in refused(make_task, place)


def test_indexes_that_are_not_memory_mapped(make_task, place):
    from fairseq.data.indexed_dataset import IndexedDatasetBuilder

    builder = IndexedDatasetBuilder(str(place / "bo/train.bin"))
    builder.add_item(torch.tensor([4, 5, 2]))
    builder.finalize(str(place / "bo/train.idx"))
    assert "with --dataset-impl mmap" in refused(make_task, place)


def test_sides_of_different_length(make_task, place):
    write_indexed(place / "train.zh-bo.zh", random_texts(7, 9, 0))
    assert "mt_zh-bo has 7 sources and 120 targets in train" in refused(make_task, place)


def test_stock_pair_with_one_side(make_task, tmp_path):
    write_dictionary(tmp_path / "dict.txt")
    write_indexed(tmp_path / "train.zh-bo.zh", [[4]])
    assert "its other side train.zh-bo.bo.idx is missing" in refused(make_task, tmp_path)


def test_a_corpus_in_a_sixth_language_needs_its_token(make_task, tmp_path):
    fill(tmp_path, extra=[Corpus("za", Kind.MONO, "za", "za")])
    assert "corpus za is in 'za'" in refused(make_task, tmp_path)
    make_task(tmp_path, langs="bo,kk,mn,ug,zh,za").load_dataset("train", epoch=1)
    make_task(tmp_path, corpora="bo,zh").load_dataset("train", epoch=1)


def test_pieces_like_language_tokens(make_task, tmp_path):
    dictionary = write_dictionary(tmp_path / "dict.txt", [*PIECES, "<bo>"])
    assert "already has '<bo>'" in refused(make_task, tmp_path)
    assert len(dictionary) == 4 + len(PIECES) + 1


class TestCheckpoints:
    """Checkpoints and data that do not match."""

    @pytest.fixture()
    def checkpoint(self, make_task, tmp_path):
        path = tmp_path / "checkpoint_last.pt"
        torch.save({"task_state": make_task().state_dict()}, path)
        return path

    def test_languages_come_from_the_checkpoint(self, make_task):
        state = make_task(langs="zh,bo").state_dict()
        task = make_task()
        symbols = task.source_dictionary
        task.load_state_dict(state)
        assert task.langs == ["zh", "bo"] and task.source_dictionary is symbols
        assert symbols.symbols == state["symbols"] and symbols.index("<bo>") == len(symbols) - 1
        assert symbols.index("<kk>") == symbols.unk()

    def test_other_languages(self, make_task):
        state = make_task().state_dict()
        with pytest.raises(InputError, match="the checkpoint has bo,kk,mn,ug,zh; remove --langs"):
            make_task(langs="zh,bo").load_state_dict(state)

    def test_other_vocabulary(self, make_task, tmp_path):
        write_dictionary(tmp_path / "dict.txt", PIECES[:-1])
        with pytest.raises(InputError, match="has a different vocabulary from the checkpoint"):
            make_task(tmp_path).load_state_dict(make_task().state_dict())

    def test_training_continues_with_the_same(self, make_task, checkpoint):
        make_task(save_dir=str(checkpoint.parent), finetune_from_model="gone")._check_restored()
        make_task(save_dir=str(checkpoint.parent))._check_restored()

    @pytest.mark.parametrize("how", ["resume", "restore", "finetune"])
    def test_training_with_another_vocabulary(self, make_task, checkpoint, tmp_path, how):
        write_dictionary(tmp_path / "other/dict.txt", PIECES[::-1])
        flags = {
            "resume": {"save_dir": str(checkpoint.parent)},
            "restore": {"restore_file": str(checkpoint)},
            "finetune": {"finetune_from_model": str(checkpoint)},
        }[how]
        with pytest.raises(InputError, match="was not trained with the vocabulary"):
            make_task(tmp_path / "other", **flags)._check_restored()

    def test_training_with_more_languages(self, make_task, checkpoint):
        """A new run may append languages; a resumed run may not, and no run may reorder them."""
        make_task(langs="bo,kk,mn,ug,zh,za", finetune_from_model=str(checkpoint))._check_restored()
        for langs, how, fix in (
            ("bo,kk,mn,ug,zh,za", {"save_dir": str(checkpoint.parent)}, "--finetune-from-model"),
            ("bo,kk,mn,ug,zh,za", {"restore_file": str(checkpoint)}, "--finetune-from-model"),
            (
                "za,bo,kk,mn,ug,zh",
                {"finetune_from_model": str(checkpoint)},
                "give --langs bo,kk,mn,ug,zh, optionally with more",
            ),
        ):
            with pytest.raises(InputError, match=rf"--langs bo,kk,mn,ug,zh, not {langs}; .*{fix}"):
                make_task(langs=langs, **how)._check_restored()

    def test_missing(self, make_task):
        with pytest.raises(InputError, match=r"--finetune-from-model gone.pt: no such file"):
            make_task(finetune_from_model="gone.pt")._check_restored()

    def test_damaged(self, make_task, checkpoint):
        checkpoint.write_bytes(b"nothing")
        with pytest.raises(InputError, match="not a readable checkpoint"):
            make_task(restore_file=str(checkpoint))._check_restored()


def test_model_with_too_few_positions(make_task):
    from argparse import Namespace

    from fairseq.models.transformer import base_architecture

    args = Namespace(arch="transformer", encoder_layers=1, decoder_layers=1, encoder_embed_dim=16)
    args.encoder_attention_heads = args.decoder_attention_heads = 2
    args.share_all_embeddings, args.max_source_positions, args.max_target_positions = True, 300, 200
    base_architecture(args)
    with pytest.raises(InputError, match="--tokens-per-sample 256: the model has only 200 positions"):
        make_task().build_model(args)


def test_recorded_directory_reads_back(place):
    assert [corpus.name for corpus in Corpora.read(place).corpora] == ["bo", "zh", "zh-bo", "ti_sum"]
