"""Wrong values made from the JSON schema of a typed model: one thing wrong in each."""

from pydantic import TypeAdapter

# What a field of a type may hold in somebody's file though it is another type.
OTHERS = {
    "string": [None, 3, True, ["x"], {"a": 1}],
    "integer": [None, "3", 1.5, True, [1]],
    "number": [None, "0.5", True, [0.5]],
    "boolean": [None, "yes", 1],
    "array": [None, "x", 3, {"a": 1}],
    "object": [None, "x", 3, [1]],
}
BLANK = ["", " \n", "a\0b", "a\ud800"]  # no text, and what no file can keep
NESTED = [[[[[["x"]]]]]]


def spoilt(model, value):
    """Yield (what is wrong, the value with that), one for each way to be wrong of each field."""
    schema = TypeAdapter(model).json_schema()
    yield from ways(schema, value, schema.get("$defs", {}))


def ways(schema, value, defs):
    schema, nullable = resolved(schema, value, defs)
    yield from wrong(schema, nullable)
    for name, own in schema.get("properties", {}).items():
        if not isinstance(value, dict):
            break
        there = name in value
        found = ways(own, value[name], defs) if there else wrong(*resolved(own, None, defs))
        yield from ((f"{name}: {what}", value | {name: other}) for what, other in found)
        if name in schema.get("required", ()):
            yield f"{name}: missing", {k: v for k, v in value.items() if k != name}
    if schema.get("additionalProperties") is False:
        yield "a field too many", value | {"no such field": "x"}
    if isinstance(schema.get("additionalProperties"), dict) and value:
        name = next(iter(value))
        for what, other in ways(schema["additionalProperties"], value[name], defs):
            yield f"{name}: {what}", value | {name: other}
        if "propertyNames" in schema:
            yield "another key", {"no such": value[name]}
    if isinstance(schema.get("items"), dict):
        for place in first_of_each_kind(schema["items"], value):
            for what, other in ways(schema["items"], value[place], defs):
                yield f"entry {place + 1}: {what}", [*value[:place], other, *value[place + 1 :]]


def first_of_each_kind(schema, entries):
    """The places of the first entry of each kind that a list tells apart; else that of the first
    entry."""
    field = schema.get("discriminator", {}).get("propertyName")
    places = {}
    for place, entry in enumerate(entries):
        places.setdefault(entry[field] if field else None, place)
    return list(places.values())


def resolved(schema, value, defs):
    """A schema without references and choices, and whether null is allowed."""
    nullable = False
    while not {"type", "enum", "const"} & set(schema):
        if "$ref" in schema:
            schema = defs[schema["$ref"].split("/")[-1]]
        elif "discriminator" in schema:
            kind = value[schema["discriminator"]["propertyName"]]
            schema = {"$ref": schema["discriminator"]["mapping"][kind]}
        elif "anyOf" in schema:
            nullable = nullable or {"type": "null"} in schema["anyOf"]
            schema = next(one for one in schema["anyOf"] if one != {"type": "null"})
        else:
            return schema, nullable  # anything goes
    return schema, nullable


def wrong(schema, nullable):
    """Yield (what is wrong, a value) for a field of a schema."""
    kind = schema.get("type", "string" if {"enum", "const"} & set(schema) else "")
    for other in OTHERS.get(kind, ()):
        if not (other is None and nullable):
            yield f"{other!r} for a {kind}", other
    if {"enum", "const", "known"} & set(schema):
        yield "unknown", "no such"
    if "pattern" in schema:
        yield from ((repr(text), text) for text in BLANK)
    for bound, step in (("minimum", -1), ("maximum", 1), ("exclusiveMinimum", 0)):
        if bound in schema:
            yield f"beyond the {bound}", schema[bound] + step
    if "exclusiveMaximum" in schema:
        yield "at the exclusiveMaximum", schema["exclusiveMaximum"]
    if schema.get("minItems") or schema.get("minProperties"):
        yield "none", [] if kind == "array" else {}
    if kind:
        yield "nested", NESTED
