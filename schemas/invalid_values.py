"""Say in plain words why a value is not valid, in place of pydantic's."""

from pydantic_core import ErrorDetails

# By the type of pydantic's error (docs.pydantic.dev/latest/errors/validation_errors); braces are filled from its context.
_WORDS = {
    "int_parsing": "is not a whole number",
    "int_type": "is not a whole number",
    "int_from_float": "is not a whole number",
    "float_parsing": "is not a number",
    "float_type": "is not a number",
    "finite_number": "is not a finite number",
    "bool_parsing": "is neither true nor false",
    "bool_type": "is neither true nor false",
    "string_type": "is not a text",
    "greater_than": "is not more than {gt:g}",
    "greater_than_equal": "is not {ge:g} or more",
    "less_than": "is not less than {lt:g}",
    "less_than_equal": "is not {le:g} or less",
    "enum": "is none of {expected}",
    "literal_error": "is none of {expected}",
}


def describe_invalid(error: ErrorDetails) -> str:
    """Return what is wrong with the value, such as ``is not a whole number``; what has no words here is told by pydantic."""
    words = _WORDS.get(error["type"])
    return words.format(**error.get("ctx", {})) if words else f"is not valid: {error['msg'].removeprefix('Value error, ')}"
