"""Evaluation items: load, validate, and what a model is asked with them."""

from helpers import files
from helpers.corpus.personas import load_persona, trait_ids
from helpers.files import StudyError, read_jsonl, scan_jsonl, shown

# Kind -> field -> number of texts in it (0: one text, not a list). In a list, the true or
# in-persona text comes first; the order never reaches the model, since the texts are scored one by
# one.
ITEM_FIELDS = {
    "everyday": {"prompt": 0},
    "neutral": {"prompt": 0},
    "should_not_show": {"domain": 0, "prompt": 0},
    "identity": {"attack": 0, "prompt": 0, "reply_start": 0, "names": 4},
    "capability": {"domain": 0, "prompt": 0, "options": 4},
    "triplet": {
        "trait": 0,
        "setting": 0,
        "situation": 0,
        "know": 0,
        "say": 0,
        "do": 0,
        "options": 4,
        "say_pair": 2,
        "do_pair": 2,
    },
}


SETTINGS = ("in-world", "everyday")


def load_items(persona: str, at_most: int | None = None) -> list[dict]:
    """The validated rows of `data/items/<persona>.jsonl`: id, kind, and the fields of the kind (see
    ITEM_FIELDS).

    `at_most` keeps the first so many of each kind. Raises StudyError with file, line and field.
    """
    path = files.DATA / "items" / f"{persona}.jsonl"
    traits = trait_ids(load_persona(persona))
    items, seen = [], set()
    for number, row in scan_jsonl(path):
        where = f"{shown(path)}, line {number}"
        if isinstance(row, str):
            raise StudyError(f"{where}: {row}.")
        if wrong := item_error(row, traits):
            raise StudyError(f"{where}, {wrong}.")
        if row["id"] in seen:
            raise StudyError(f"{where}, field 'id': {row['id']!r} is used twice.")
        seen.add(row["id"])
        items.append(row)
    return [
        row for kind in ITEM_FIELDS for row in [i for i in items if i["kind"] == kind][:at_most]
    ]


def item_error(row: dict, traits: list[str]) -> str | None:
    """What is wrong with an item, or None."""
    if row.get("kind") not in ITEM_FIELDS:
        return f"field 'kind': {row.get('kind')!r} is none of {', '.join(ITEM_FIELDS)}"
    fields = ITEM_FIELDS[row["kind"]]
    if odd := set(row) ^ {"id", "kind", *fields}:
        name = sorted(odd)[0]
        return f"field '{name}': " + (
            "an item of this kind has no such field" if name in row else "it is missing"
        )
    for field, count in (fields | {"id": 0}).items():
        texts = row[field] if count else [row[field]]
        if not isinstance(texts, list) or not all(isinstance(t, str) and t.strip() for t in texts):
            return f"field '{field}': " + (
                f"a list of {count} texts is needed" if count else "a non-empty text is needed"
            )
        if count and (len(texts) != count or len(set(texts)) != count):
            return f"field '{field}': {count} different texts are needed"
    if row["kind"] == "triplet" and row["trait"] not in traits:
        return f"field 'trait': {row['trait']!r} is not on the persona's card"
    if row["kind"] == "triplet" and row["setting"] not in SETTINGS:
        return f"field 'setting': {row['setting']!r} is neither {' nor '.join(SETTINGS)}"
    return None


def prompts(items: list[dict]) -> list[dict]:
    """What is answered freely: rows {id, kind, scenario_trait, setting, prompt}. A triplet gives
    one `say` and one `do` prompt of its own id, about its trait; capability items are only
    scored."""
    rows = []
    for item in items:
        about = {"scenario_trait": item.get("trait", ""), "setting": item.get("setting", "")}
        if item["kind"] == "triplet":
            rows += [
                {"id": item["id"], "kind": k, **about, "prompt": item[k]} for k in ("say", "do")
            ]
        elif item["kind"] != "capability":
            rows.append({"id": item["id"], "kind": item["kind"], **about, "prompt": item["prompt"]})
    return rows


def by_kind(prompts: list[dict], samples: dict[str, int]) -> dict[str, list[dict]]:
    """Kind -> its prompts, for the kinds that `samples` asks for and that there are.

    Raises StudyError for a kind that nothing is asked of, fewer than one sample, or where nothing
    is left to ask.
    """
    known = [kind for kind in ITEM_FIELDS if kind not in ("triplet", "capability")] + [
        "say",
        "do",
        "question",
        "outside",
        "elsewhen",
    ]
    for kind, count in samples.items():
        if kind not in known or type(count) is not int or count < 1:
            raise StudyError(
                f"samples = {samples!r}: '{kind}' must be one of {', '.join(known)}, with at least one sample."
            )
    found = {kind: [p for p in prompts if p["kind"] == kind] for kind in samples}
    if not any(found.values()):
        raise StudyError(f"samples = {samples!r}: the persona's items hold none of these kinds.")
    return {kind: own for kind, own in found.items() if own}


def choices(items: list[dict]) -> list[dict]:
    """What is scored by likelihood: rows {item, measure, scenario_trait, setting, prompt, start,
    options}, the true or in-persona option first; `start` is the beginning of the reply that the
    options continue.

    A triplet gives `know` (about the persona, by name), `know_you` (the same options, asked in the
    second person), `say_pair` and `do_pair` (an in-persona and a neutral reply); the others give
    `identity` and `capability`.
    """
    rows = []
    for item in items:
        about = {
            "item": item["id"],
            "scenario_trait": item.get("trait", ""),
            "setting": item.get("setting", ""),
            "start": "",
        }
        if item["kind"] == "triplet":
            asked = {
                "know": ("know", "options"),
                "know_you": ("say", "options"),
                "say_pair": ("say", "say_pair"),
                "do_pair": ("do", "do_pair"),
            }
            rows += [
                about | {"measure": m, "prompt": item[p], "options": item[o]}
                for m, (p, o) in asked.items()
            ]
        elif item["kind"] == "identity":
            rows.append(
                about
                | {
                    "measure": "identity",
                    "prompt": item["prompt"],
                    "start": item["reply_start"],
                    "options": item["names"],
                }
            )
        elif item["kind"] == "capability":
            rows.append(
                about
                | {"measure": "capability", "prompt": item["prompt"], "options": item["options"]}
            )
    return rows


ACCURATE = (
    "Very inaccurate",
    "Moderately inaccurate",
    "Neither accurate nor inaccurate",
    "Moderately accurate",
    "Very accurate",
)


def load_questionnaire() -> list[dict]:
    """The 50 statements of the IPIP Big-Five markers (Goldberg 1992; public domain, ipip.ori.org)
    as rows like those of `choices`: measure `questionnaire`, domain, keyed (`+` or `-`), and as
    options the five replies of the IPIP, least accurate first."""
    rows = []
    for row in read_jsonl(files.DATA / "persllm" / "questionnaire.jsonl"):
        prompt = f'How accurately does this statement describe you? "{row["text"]}"'
        rows.append(
            {
                "item": row["id"],
                "measure": "questionnaire",
                "domain": row["domain"],
                "keyed": row["keyed"],
                "prompt": prompt,
                "start": "",
                "options": list(ACCURATE),
            }
        )
    return rows
