"""Messages against the schema of the stream, each by its kind: quick enough for thousands."""

import json
from importlib import resources

from jsonschema import Draft202012Validator

_SCHEMA = json.loads(resources.files("clocksync").joinpath("schemas/dashboard-1.json").read_text())
_BY_KIND = {
    one["properties"]["kind"]["const"]: Draft202012Validator(one)
    for one in _SCHEMA["items"]["oneOf"]
}


def validate(messages) -> None:
    """Raises for the first that is none."""
    for message in messages:
        _BY_KIND[message["kind"]].validate(message)
