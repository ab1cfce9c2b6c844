"""Training the export: Seq2SeqTrainer, gradient checkpointing, LoRA with PEFT, saving and loading."""

import pytest
import torch
from conftest import EXPORTS, load, load_tokenizer
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForSeq2SeqLM, DataCollatorForSeq2Seq, Seq2SeqTrainer, Seq2SeqTrainingArguments

LORA = {"r": 8, "lora_alpha": 16, "target_modules": ["q_proj", "v_proj", "fc1"], "task_type": "SEQ_2_SEQ_LM"}


def trainable(directory):
    torch.manual_seed(1)
    return AutoModelForSeq2SeqLM.from_pretrained(directory, trust_remote_code=True)


def train(model, tokenizer, outputs, folder, **options) -> Seq2SeqTrainer:
    """Train for a few steps on real pairs."""
    texts = outputs[0]["texts"][:16]
    encoded = tokenizer(texts, text_target=texts[::-1], truncation=True)
    rows = [{name: encoded[name][i] for name in encoded} for i in range(len(texts))]
    arguments = Seq2SeqTrainingArguments(
        output_dir=str(folder), max_steps=3, per_device_train_batch_size=4, learning_rate=1e-2, report_to=[],
        save_strategy="no", disable_tqdm=True, use_cpu=True, logging_strategy="no", predict_with_generate=True,
        **options,
    )  # fmt: skip
    trainer = Seq2SeqTrainer(
        model=model, args=arguments, train_dataset=rows, eval_dataset=rows[:4],
        data_collator=DataCollatorForSeq2Seq(tokenizer, model=model), processing_class=tokenizer,
    )  # fmt: skip
    trainer.train()
    return trainer


@pytest.mark.parametrize("layout", ["paper", "tied", "separate_own"])
def test_saved_models_load_again(layout, outputs, written, reference):
    directory = EXPORTS / layout / "export"
    tokenizer = load_tokenizer(directory, src_lang="zh", tgt_lang="bo")
    model = trainable(directory)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    model.generation_config.forced_bos_token_id = tokenizer.lang_code_to_id["bo"]
    trainer = train(model, tokenizer, outputs, written / "run", gradient_checkpointing=layout == "tied")
    assert trainer.predict(trainer.eval_dataset).predictions.shape[0] == 4
    trainer.save_model(written / layout)
    after = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    assert any(not torch.equal(tensor, before[name]) for name, tensor in after.items())
    again = load(written / layout)
    assert {name for name, tensor in again.state_dict().items() if not torch.equal(tensor, after[name])} == set()
    assert load_tokenizer(written / layout)(outputs[0]["texts"][:2])["input_ids"]


def test_gradient_checkpointing_has_the_same_gradients(directory, reference):
    batch = {"input_ids": reference["source"], "labels": reference["labels"]}
    gradients = []
    for checkpointing in (False, True):
        model = trainable(directory).train()
        for module in model.modules():
            module.dropout = 0.0
        model.config.attention_dropout = 0.0
        if checkpointing:
            model.gradient_checkpointing_enable()
        model(**batch).loss.backward()
        gradients.append([parameter.grad for parameter in model.parameters()])
    assert all(torch.allclose(*pair, atol=1e-6) for pair in zip(*gradients, strict=True))


@pytest.mark.parametrize("layout", ["paper", "tied"])
def test_lora(layout, outputs, written, reference):
    directory = EXPORTS / layout / "export"
    tokenizer = load_tokenizer(directory, src_lang="zh", tgt_lang="bo")
    model = get_peft_model(trainable(directory), LoraConfig(**LORA))
    train(model, tokenizer, outputs, written / "run")
    model.eval()
    batch = {"input_ids": reference["source"], "decoder_input_ids": reference["target"]}
    with torch.no_grad():
        expected, plain = model(**batch).logits, load(directory)(**batch).logits
        assert not torch.allclose(expected, plain, atol=1e-3)
        model.save_pretrained(written / f"{layout}-lora")
        again = PeftModel.from_pretrained(load(directory), written / f"{layout}-lora")
        assert torch.equal(again(**batch).logits, expected)
        language = tokenizer.lang_code_to_id["bo"]
        assert again.generate(input_ids=reference["source"], forced_bos_token_id=language).size(0) == 6
        merged = again.merge_and_unload()
        assert torch.allclose(merged(**batch).logits, expected, atol=1e-4)
        merged.save_pretrained(written / f"{layout}-merged")
        assert torch.equal(load(written / f"{layout}-merged")(**batch).logits, merged(**batch).logits)
    tokenizer.save_pretrained(written / f"{layout}-merged")


def test_the_language_token_is_not_predicted(model, reference):
    batch = {"input_ids": reference["source"], "labels": reference["labels"]}
    with torch.no_grad():
        whole = model(**batch).loss
        without = reference["labels"].clone()
        without[:, 0] = -100
        start = model.prepare_decoder_input_ids_from_labels(reference["labels"])
        same = model(input_ids=reference["source"], decoder_input_ids=start, labels=without).loss
    assert torch.equal(whole, same)
