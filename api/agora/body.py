"""What all models of customers' documents have in common, and what is said of a wrong one."""

from collections.abc import Mapping
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from api.agora.errors import InvalidField

_WORDS: Final[Mapping[str, str]] = {  # by pydantic's type of error, whose own words are Python's
    "missing": "It is required",
    "string_type": "It must be a string",
    "int_type": "It must be an integer",
    "int_from_float": "It must be an integer",
    "float_type": "It must be a number",
    "bool_type": "It must be true or false",
    "tuple_type": "It must be an array",
    "dict_type": "It must be an object",
    "model_type": "It must be an object",
    "greater_than_equal": "It must be at least {ge}",
    "less_than_equal": "It must be at most {le}",
    "too_short": "Its length must be at least {min_length}",
    "too_long": "Its length must be at most {max_length}",
    "string_too_short": "Its length must be at least {min_length}",
    "string_too_long": "Its length must be at most {max_length}",
    "string_pattern_mismatch": "It must match {pattern}",
    "literal_error": "It must be {expected}",
}


class Body(BaseModel):
    """Part of a customer's document."""

    model_config = ConfigDict(
        strict=True,
        extra="ignore",
        frozen=True,
        alias_generator=to_camel,
        hide_input_in_errors=True,  # inputs hold keys and tokens
        use_attribute_docstrings=True,
    )


AnyBody = TypeVar("AnyBody", bound=Body)


def read(model: type[AnyBody], document: Mapping[str, Any]) -> AnyBody:
    """A document as the model has it.  Raises InvalidField for the first thing that is wrong."""
    try:
        return model.model_validate(document)
    except ValidationError as exc:
        raise InvalidField(*complaint(exc)) from None


def complaint(exc: ValidationError) -> tuple[str, str]:
    """The first thing that is wrong: where, by the names that the customer used, and why."""
    error = exc.errors(include_url=False, include_input=False)[0]
    path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in error["loc"])
    words = _WORDS.get(error["type"])
    why = words.format_map(error.get("ctx", {})) if words else error["msg"]
    return path.removeprefix("."), why.removeprefix("Value error, ")
