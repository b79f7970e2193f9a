"""What a reader can do inside a notebook: talk to an arm, label answers blind, rate two arms."""

import random
from datetime import UTC, datetime
from html import escape
from pathlib import Path

import ipywidgets as widgets
from IPython.display import display

from helpers.files import append_jsonl, fingerprint, resume_jsonl
from helpers.measure.labels import COHERENCE, VALUES, label_folder, load_to_label


def chat_box(model, one: dict, settings: dict) -> None:
    """A box to talk to one speaker in (see `dialogue.speaker`), on a model with its adapter; the
    conversation stays in the notebook. A reply appears as it is made; what cannot be answered is
    taken back."""
    from helpers.model.chat import reply_as  # takes seconds, and only this needs a model

    messages, shown_chat = [], widgets.HTML()
    text = widgets.Text(placeholder="say something", layout={"width": "40em"})
    send = widgets.Button(description="send")

    def show(chat: list[dict]) -> None:
        names = {"user": "you", "assistant": one["name"]}
        said = [{"speaker": names[m["role"]], "text": m["content"]} for m in chat]
        shown_chat.value = as_html(said)

    def listen(reply: dict) -> None:
        show([*messages, {"role": "assistant", "content": reply["answer"]}])

    def say(_) -> None:
        if not text.value.strip():
            return
        messages.append({"role": "user", "content": text.value})
        text.value, send.disabled = "", True
        try:
            reply = reply_as(model, one, messages, len(messages), settings, listen)["answer"]
            messages.append({"role": "assistant", "content": reply})
        except BaseException:
            messages.pop()
            raise
        finally:
            show(messages)
            send.disabled = False

    send.on_click(say)
    display(widgets.VBox([shown_chat, widgets.HBox([text, send])]))


def rate_blind(answers: dict[str, list[dict]], reader: str, path: Path) -> None:
    """Show the answers of two sides (name -> rows {item, sample, prompt, answer}) to the same
    prompt side by side in random order; the choice is on the disk before the next pair appears, and
    the same cell goes on where it was left. Which side is which is hidden until it is written, in
    `path`: reader, item, sample, answers (what the two say, as a hash: answers that were given anew
    are rated anew), left, right, preferred (a side's name, or `tie`)."""
    pairs = blind_pairs(answers)
    done = {row["answers"] for row in resume_jsonl(path) if row["reader"] == reader}
    waiting = [pair for pair in pairs if said(pair) not in done]
    text = widgets.HTML()
    buttons = [widgets.Button(description=name) for name in ("left", "tie", "right")]

    def show() -> None:
        text.value = side_by_side(*waiting[0]) if waiting else "Everything is rated."
        for button in buttons:
            button.disabled = not waiting

    def keep(button) -> None:
        left, right = pair = waiting.pop(0)
        chosen = {"left": left["side"], "right": right["side"], "tie": "tie"}[button.description]
        rated = {"reader": reader, "item": left["item"], "sample": left["sample"]}
        rated |= {"answers": said(pair)}
        sides = {"left": left["side"], "right": right["side"], "preferred": chosen}
        append_jsonl(path, [rated | sides])
        show()

    for button in buttons:
        button.on_click(keep)
    show()
    display(widgets.VBox([text, widgets.HBox(buttons)]))


def said(pair: tuple[dict, dict]) -> str:
    """A hash of a message and its two answers, whichever is left."""
    return fingerprint([pair[0]["prompt"], *sorted(row["answer"] for row in pair)])


def blind_pairs(answers: dict[str, list[dict]]) -> list[tuple[dict, dict]]:
    """The answers of two sides to the same prompt and sample as pairs (left, right) with `side`,
    which is left drawn by the item's name."""
    first, second = (
        {(row["item"], row["sample"], row["prompt"]): row | {"side": side} for row in rows}
        for side, rows in answers.items()
    )
    pairs = [(row, second[key]) for key, row in first.items() if key in second]
    return [pair if random.Random(pair[0]["item"]).random() < 0.5 else pair[::-1] for pair in pairs]


def side_by_side(left: dict, right: dict) -> str:
    """Two answers to one prompt as HTML, their own markup shown as text."""
    style = "width: 30em; vertical-align: top; white-space: pre-wrap"
    cells = "".join(f"<td style='{style}'>{escape(row['answer'])}</td>" for row in (left, right))
    return f"<p><i>{escape(left['prompt'])}</i></p><table><tr>{cells}</tr></table>"


def as_html(rows: list[dict]) -> str:
    """A dialogue as HTML, speaker by speaker; the texts' own markup is shown as text."""
    return "".join(
        f"<p style='max-width: 50em'><b>{escape(row['speaker'])}</b><br>{escape(row['text'])}</p>"
        for row in rows
    )


def labelling(persona: str, card: dict, reader: str) -> None:
    """Show one unread answer after another with a choice per trait and one for the coherence (see
    `measure.labels`); every reading is on the disk before the next answer appears, and the same
    cell goes on where it was left. The arm is never shown."""
    folder = label_folder(persona)
    path = folder / f"by_{reader}.jsonl"
    done = {row["label_id"] for row in resume_jsonl(path)}
    waiting = [row for row in load_to_label(folder) if row["label_id"] not in done]
    text, count = widgets.HTML(), widgets.Label()
    choices = {
        trait["id"]: widgets.ToggleButtons(
            options=VALUES, description=trait["id"], tooltips=[trait["description"]] * len(VALUES)
        )
        for trait in card["traits"]
    }
    coherence = widgets.ToggleButtons(options=COHERENCE, description="coherence")
    save = widgets.Button(description="save, next", button_style="primary")

    def show() -> None:
        count.value = f"{len(waiting)} answers left for reader '{reader}'"
        save.disabled = not waiting
        text.value = "Everything is read." if not waiting else page(waiting[0])
        for choice in choices.values():
            choice.value = "no"
        coherence.value = "sensible"

    def keep(_) -> None:
        values = {trait: choice.value for trait, choice in choices.items()}
        row = {"label_id": waiting[0]["label_id"], "values": values, "coherence": coherence.value}
        append_jsonl(path, [row | {"at": datetime.now(UTC).isoformat(timespec="seconds")}])
        waiting.pop(0)
        show()

    save.on_click(keep)
    show()
    display(widgets.VBox([count, text, *choices.values(), coherence, save]))


def page(row: dict) -> str:
    """One answer as HTML, its own markup shown as text."""
    return (
        f"<p><i>{escape(row['prompt'])}</i></p>"
        f"<p style='white-space: pre-wrap; max-width: 60em'>{escape(row['answer'])}</p>"
    )
