"""General instructions that are mixed into a persona's examples, so that a model stays what it
was."""

from pathlib import Path

from helpers.corpus import ingest
from helpers.model import answer, base
from helpers.persllm.reasoned import general_rows, load_general
from helpers.pretrained import compute_dtype, load_tokenizer, model_hash


def exchanges(source: str, at_most: int, tokens: int, model: str, folder: Path) -> list[dict]:
    """At most so many answered instructions, rows {id, prompt, answer, finished}: those of the
    dataset `source` (any that `reading.read_source` takes), or, where it is "", our own as the base
    model `model` answers them in at most `tokens` tokens, kept in `folder/answers.jsonl`."""
    return from_dataset(source, at_most) if source else own(at_most, tokens, model, folder)


def from_dataset(source: str, at_most: int) -> list[dict]:
    corpora, _, refused = ingest.read_corpora({"demonstrations": source}, most=at_most)
    chats = corpora["demonstrations"]
    rows = general_rows(chats)
    print(
        f"{len(rows)} exchanges from {source}; {len(refused)} rows could not be used, "
        f"{len(chats) - len(rows)} are longer than one exchange"
    )
    return rows


def own(at_most: int, tokens: int, model: str, folder: Path) -> list[dict]:
    tokenizer, lm = load_tokenizer(model), base.load_for_inference(model, None)
    settings = {"samples": 1, "answer_batch": 60, "temperature": 0.7, "top_p": 0.9, "seed": 0}
    settings |= {"max_new_tokens": tokens}
    tags = {"model": model_hash(model), "dtype": str(compute_dtype())}
    asked, path = load_general(at_most), folder / "answers.jsonl"
    return answer.answer_prompts(lm, tokenizer, asked, None, settings, tags, path)
