"""The form of an export in Prefect's UI: few plain fields with select lists, in place of one for every field of the request.

What the form does not show can be given all the same: in the form by its menu *Use JSON input*, or by
``prefect deployment run -p request='{...}'``. The flow checks it either way.
"""

from typing import Any

from prefect.utilities.callables import ParameterSchema

from schemas.export import ExportRequest

# In their order; those of ``config`` are in a group of their own.
_FIELDS = ("manifest", "config", "kits", "card", "prune", "full", "label")
_CONFIG_FIELDS = ("organize_by", "format", "names", "output_base_path")
_TITLES = {"config": "Layout", "output_base_path": "Output folder", "organize_by": "Folders", "names": "File names"}
_ALL = "Everything else that an export can do: menu at the top right, Use JSON input."


def form_schema() -> ParameterSchema:
    """Return the schema of the flow's parameter as its form shows it."""
    model = ExportRequest.model_json_schema()
    definitions = model["$defs"]
    fields = {name: _plain(name, model["properties"][name], definitions) for name in _FIELDS}
    config = definitions["ExportConfig"]["properties"]
    fields["config"] = {
        "type": "object",
        "title": _TITLES["config"],
        "description": "What is left empty comes from the settings.",
        "properties": {name: _plain(name, config[name], definitions) for name in _CONFIG_FIELDS},
    }
    request = {
        "type": "object",
        "title": "Export",
        "description": _ALL,
        "position": 0,
        "properties": fields,
        "required": ["manifest"],
    }
    return ParameterSchema(title="Parameters", type="object", properties={"request": request}, required=["request"])


def _plain(name: str, field: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """Return a field without references, and without the null that stands for "as the settings say"."""
    kinds = [kind for kind in field.get("anyOf", [field]) if kind.get("type") != "null"]
    kind = dict(kinds[0])
    if "$ref" in kind:
        kind = {key: value for key, value in definitions[kind["$ref"].rpartition("/")[2]].items() if key in ("type", "enum")}
    described = {"title": _TITLES.get(name, name.replace("_", " ").capitalize()), "description": field.get("description", "")}
    return kind | described
