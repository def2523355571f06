"""Say in plain words why a value is not valid, in place of pydantic's."""

from pydantic_core import ErrorDetails

# By the type of pydantic's error (docs.pydantic.dev/latest/errors/validation_errors); braces are filled from its context.
_WORDS = {
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "string_type": "must be a text",
    "greater_than": "must be greater than {gt:g}",
    "greater_than_equal": "must be greater than or equal to {ge:g}",
    "less_than": "must be less than {lt:g}",
    "less_than_equal": "must be less than or equal to {le:g}",
    "enum": "must be {expected}",
    "literal_error": "must be {expected}",
}


def describe_invalid(error: ErrorDetails) -> str:
    """Return what is wrong with the value, such as ``must be a whole number``; what has no words here is told by pydantic."""
    words = _WORDS.get(error["type"])
    return words.format(**error.get("ctx", {})) if words else f"is not valid: {error['msg'].removeprefix('Value error, ')}"
