"""The checks that make a comparison of formats fair: counts, lengths, wording, near-duplicates and
leaks."""

import hashlib
import json
from collections import Counter

import numpy as np

from helpers import alphabets
from helpers.corpus.encode import encode, trained_tokens
from helpers.corpus.formats import SPLITS, text_of
from helpers.pretrained import embed

# Limits of the checks: an honest corpus is far from them, a near-copy is not (docs/design.md).
TOKENS = (60, 140)
TOTAL_SPREAD, TENTH_SPREAD = 0.02, 0.05
OPENING_SHARE, DISTINCT_4 = 0.03, 0.85
COSINE, OVERLAP_8, HELDOUT_COSINE = 0.92, 0.15, 0.85


def words(text: str) -> list[str]:
    return alphabets.words(text.lower(), alphabets.WITH_APOSTROPHES)


def ngrams(text: str, n: int) -> list[tuple[str, ...]]:
    tokens = words(text)
    return [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]


def distinct_ratio(texts: list[str], n: int = 4) -> float:
    """Distinct n-grams over all n-grams of the texts (distinct-n, Li et al., arXiv 1510.03055,
    section 5.1)."""
    grams = [gram for text in texts for gram in ngrams(text, n)]
    return len(set(grams)) / max(1, len(grams))


def common_opening(texts: list[str]) -> tuple[str, float]:
    """The commonest first three words and the share of texts that begin with them."""
    counts = Counter(" ".join(words(text)[:3]) for text in texts)
    opening, count = counts.most_common(1)[0]
    return opening, count / len(texts)


def overlaps(texts: list[str], n: int = 8) -> dict[tuple[int, int], float]:
    """Pairs of texts that share an n-gram -> the shared share of the n-grams of the text that has
    fewer."""
    grams = [set(ngrams(text, n)) for text in texts]
    holders: dict[tuple, list[int]] = {}
    for place, found in enumerate(grams):
        for gram in found:
            holders.setdefault(gram, []).append(place)
    shared = Counter((a, b) for places in holders.values() for a in places for b in places if a < b)
    return {(a, b): count / min(len(grams[a]), len(grams[b])) for (a, b), count in shared.items()}


def similar_pairs(vectors: np.ndarray, n: int) -> list[tuple[float, int, int]]:
    """The n most similar pairs (cosine, i, j), i < j, of unit vectors (texts, size)."""
    cosines = np.triu(vectors @ vectors.T, 1)
    order = np.argsort(cosines, axis=None)[::-1][:n]
    return [
        (float(cosines.flat[k]), *(int(x) for x in np.unravel_index(k, cosines.shape)))
        for k in order
    ]


def relative_range(totals: list[int]) -> float:
    """How far the largest total lies above the smallest, as a share of the largest."""
    return (max(totals) - min(totals)) / max(1, max(totals))


def hash_rows(rows: list[dict]) -> str:
    return hashlib.sha256(
        "\n".join(json.dumps(r, sort_keys=True) for r in rows).encode()
    ).hexdigest()


def check(name: str, value: object, limit: str, passed: bool | None) -> dict:
    """One line of the certificate; `passed` None means that the check was skipped."""
    found = f"{value:.3f}" if isinstance(value, float) else str(value)
    return {"check": name, "found": found, "limit": limit, "passed": passed}


def certify_format(name: str, rows: list[dict], vectors: np.ndarray, tokenizer) -> list[dict]:
    """The checks of one format by itself, which need no units. `vectors` are the embeddings of its
    texts."""
    texts = [text_of(row) for row in rows]
    lengths = [len(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in texts]
    opening, share = common_opening(texts)
    ratio = distinct_ratio(texts)
    overlap = max(overlaps(texts).values(), default=0.0)
    cosine, a, b = similar_pairs(vectors, 1)[0]
    low, high = TOKENS
    return [
        check(
            f"{name}: tokens of a text",
            f"{min(lengths)} to {max(lengths)}",
            f"{low} to {high}",
            low <= min(lengths) and max(lengths) <= high,
        ),
        check(
            f"{name}: commonest opening '{opening}'",
            share,
            f"<= {OPENING_SHARE}",
            share <= OPENING_SHARE,
        ),
        check(f"{name}: distinct 4-grams", ratio, f">= {DISTINCT_4}", ratio >= DISTINCT_4),
        check(f"{name}: largest 8-gram overlap", overlap, f"<= {OVERLAP_8}", overlap <= OVERLAP_8),
        check(
            f"{name}: most similar pair {rows[a]['unit']}, {rows[b]['unit']}",
            cosine,
            f"<= {COSINE}",
            cosine <= COSINE,
        ),
        check(f"{name}: held-out texts found in train", *leak(rows)),
    ]


def leak(rows: list[dict]) -> tuple[int, str, bool]:
    """How many held-out texts stand, word for word, among the train texts."""
    train = {" ".join(words(text_of(row))) for row in rows if row["split"] == "train"}
    found = sum(" ".join(words(text_of(row))) in train for row in rows if row["split"] == "heldout")
    return found, "0", found == 0


def certify_lengths(corpora: dict[str, list[dict]], tokenizer) -> list[dict]:
    """Trained tokens of the train split: alike in total, and in each tenth of the units, over the
    formats."""
    counts = {
        name: [
            trained_tokens(encode(row, tokenizer, 10**6)) for row in rows if row["split"] == "train"
        ]
        for name, rows in corpora.items()
    }
    totals = {name: sum(lengths) for name, lengths in counts.items()}
    tenths = [
        relative_range([int(part.sum()) for part in parts])
        for parts in zip(
            *(np.array_split(np.array(lengths), 10) for lengths in counts.values()), strict=True
        )
    ]
    listed = ", ".join(f"{name} {total}" for name, total in totals.items())
    return [
        check(
            f"trained tokens ({listed})",
            relative_range(list(totals.values())),
            f"<= {TOTAL_SPREAD}",
            relative_range(list(totals.values())) <= TOTAL_SPREAD,
        ),
        check(
            "trained tokens, widest tenth of the units",
            max(tenths),
            f"<= {TENTH_SPREAD}",
            max(tenths) <= TENTH_SPREAD,
        ),
    ]


def certify_units(corpora: dict[str, list[dict]], units: list[dict] | None) -> list[dict]:
    """Checks over the content units: counts, the same units everywhere, and situations that no
    split shares."""
    counts = {name: Counter(row["split"] for row in rows) for name, rows in corpora.items()}
    listed = ", ".join(f"{c['train']} + {c['heldout']}" for c in counts.values())
    lines = [
        check(
            "train + held-out texts per format",
            listed,
            "alike",
            len({(c["train"], c["heldout"]) for c in counts.values()}) == 1,
        )
    ]
    if units is None:
        skipped = "skipped: these data have no units"
        return [
            *lines,
            check("the same units in every format", skipped, "-", None),
            check("held-out situation nearest to a train situation", skipped, "-", None),
        ]
    ids = [unit["unit"] for unit in units]
    same = all([row["unit"] for row in rows] == ids for rows in corpora.values())
    lines.append(check("the same units in every format", f"{len(ids)} units", "alike", same))
    uses = Counter(trait for unit in units for trait in unit["traits"])
    few, most = (end(uses.values(), default=0) for end in (min, max))
    lines.append(
        check("units per trait", f"{few} to {most}", "ratio <= 1.2", 0 < most <= 1.2 * few)
    )
    by_split = {split: [unit for unit in units if unit["split"] == split] for split in SPLITS}
    train, heldout = (embed([unit["situation"] for unit in by_split[split]]) for split in SPLITS)
    cosines = heldout @ train.T
    i, j = np.unravel_index(cosines.argmax(), cosines.shape)
    pair = f"{by_split['heldout'][i]['unit']}, {by_split['train'][j]['unit']}"
    nearest = float(cosines.max())
    lines.append(
        check(
            f"held-out situation nearest to a train situation {pair}",
            nearest,
            f"< {HELDOUT_COSINE}",
            nearest < HELDOUT_COSINE,
        )
    )
    return lines


def certify(
    corpora: dict[str, list[dict]],
    units: list[dict] | None,
    vectors: dict[str, np.ndarray],
    tokenizer,
) -> dict:
    """The certificate: {checks: [{check, found, limit, passed}], hashes: {format: {split: sha256}},
    green: bool}.

    `units` are the rows {unit, split, situation, traits ...} of the persona's `units.jsonl`, or
    None for data without; `vectors` holds for each format the embeddings of its texts
    (`pretrained.embed`).
    """
    checks = certify_units(corpora, units) + certify_lengths(corpora, tokenizer)
    for name, rows in corpora.items():
        checks += certify_format(name, rows, vectors[name], tokenizer)
    hashes = {
        name: {split: hash_rows([row for row in rows if row["split"] == split]) for split in SPLITS}
        for name, rows in corpora.items()
    }
    return {
        "checks": checks,
        "hashes": hashes,
        "green": all(line["passed"] is not False for line in checks),
    }
