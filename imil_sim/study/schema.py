"""The JSON schema of a study file (draft 2020-12), for editors that complete and check TOML.

It is made from the specs themselves, so it cannot go stale. It is a little more generous than `read_study`: what holds
between tables (a consultation before the last epoch, an arm that a comparison names) is beyond a schema, and so are
the fields that a sweep varies, and whether a table that the top of the file leaves unfinished is completed in each arm.
"""

from __future__ import annotations

from typing import Any

from imil_sim.study.spec import NAME_PATTERN, ArmSpec
from imil_sim.study.study import StudyHead
from imil_sim.study.sweep import SweepSpec

DRAFT = "https://json-schema.org/draft/2020-12/schema"

Schema = dict[str, Any]


def study_schema() -> Schema:
    """The schema: JSON types only, descriptions and defaults included."""
    head = _plain(StudyHead.model_json_schema())
    arm = _plain(ArmSpec.model_json_schema())
    sweep = _plain(SweepSpec.model_json_schema())
    defs: dict[str, Schema] = arm.pop("$defs") | head.pop("$defs")
    for table in defs.values():
        table.pop("required", None)  # an arm completes what the top of the file begins
    tables: dict[str, Schema] = arm["properties"]
    defs |= {f"source.{each['properties']['source']['const']}": each for each in tables["images"]["anyOf"]}
    chosen = {"anyOf": [_ref(name) for name in defs if name.startswith("source.")]}
    tables["images"] |= chosen
    tables["test_sets"]["patternProperties"] = {NAME_PATTERN: chosen}
    own = {**tables, "feedback": {**tables["feedback"], "anyOf": [_ref("FeedbackSpec"), {"const": False}]}}
    del own["feedback"]["$ref"]
    defs["arm"] = {
        "description": "One line of the comparison: what it has instead of, or beside, the tables at the top.",
        "type": "object",
        "properties": own,
        "additionalProperties": False,
    }
    defs["sweep"] = {**sweep, "oneOf": [{"required": ["vary"]}, {"required": ["points"]}]}
    fields = defs["sweep"]["properties"]
    fields["points"] = {**_tables("arm"), "description": fields["points"]["description"]}
    fields["vary"] |= {"minProperties": 1, "additionalProperties": _ref("varied")}
    fields["vary"].pop("propertyNames", None)
    varied = [{"type": "array", "minItems": 1}, {"type": "object", "additionalProperties": _ref("varied")}]
    defs["varied"] = {"description": "The values of a field, or of the fields of a table.", "anyOf": varied}
    return {
        "$schema": DRAFT,
        "title": "imil-sim study",
        "description": "A declared set of runs: arms, sweeps and seeds. Tables at the top hold for every arm.",
        "type": "object",
        "properties": {
            **head["properties"],
            **tables,
            "arms": {**_tables("arm"), "minProperties": 1, "description": "The lines of the comparison, by name."},
            "sweeps": {**_tables("sweep"), "description": "Arms made from arms by moving some fields, by name."},
        },
        "required": [*head["required"], "arms"],
        "additionalProperties": False,
        "$defs": defs,
    }


def _plain(schema: Any) -> Any:
    """Without what a TOML file has no use for (null, the titles pydantic makes up), in words without markup."""
    if isinstance(schema, list):
        return [_plain(part) for part in schema if part != {"type": "null"}]
    if not isinstance(schema, dict):
        return schema
    found = {k: _plain(v) for k, v in schema.items() if k != "discriminator" and not _made_up(k, v)}
    if "oneOf" in found:  # sources, of which an arm may write a part that several have
        found["anyOf"] = found.pop("oneOf")
    if len(found.get("anyOf", ())) == 1:
        found |= found.pop("anyOf")[0]
    if "patternProperties" in found:
        found["additionalProperties"] = False
    if "description" in found and isinstance(found["description"], str):
        found["description"] = found["description"].replace("``", "")
    return found


def _made_up(key: str, value: Any) -> bool:
    """Whether an entry of a schema says nothing: a title, no default, the default of a whole table."""
    if key == "title":
        return isinstance(value, str)
    return key == "default" and (value is None or isinstance(value, dict))


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _tables(name: str) -> Schema:
    return {"type": "object", "patternProperties": {NAME_PATTERN: _ref(name)}, "additionalProperties": False}
