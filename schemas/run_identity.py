"""Fields that say whether they belong to a run's identity: by it the next run knows a killed one, and resumes it.

What decides which bytes are written where belongs to it. What watches the run, begins it or makes it faster does not: a killed
run is resumed also with more workers, with another label, or from the REST API.
"""

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, Field
from pydantic.fields import FieldInfo


@dataclass(frozen=True)
class _InIdentity:
    """Metadata of a field; it is in neither the JSON schema of REST nor the form in the Prefect UI."""

    value: bool


def setting(default: Any = ..., *, identity: bool, **details: Any) -> Any:
    """Return a pydantic field that says whether it belongs to a run's identity.

    Args:
        default: The field's default; it is required without one.
        identity: True where another value makes another run.
        details: What ``pydantic.Field`` takes: ``description``, ``ge``, ``le`` and so on.
    """
    field: FieldInfo = Field(default, **details)
    field.metadata.append(_InIdentity(identity))
    return field


class IdentityModel(BaseModel):
    """A model each of whose fields is a ``setting``; one that is not is a TypeError when the class is made."""

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Check that every field says whether it belongs to the identity."""
        super().__pydantic_init_subclass__(**kwargs)
        for name, field in cls.model_fields.items():
            if _in_identity(field) is None:
                what = f"{cls.__name__}.{name} does not say whether it belongs to a run's identity"
                raise TypeError(f"{what}: write {name} = setting(identity=True or False, ...)")


def identity_values(model: IdentityModel) -> dict[str, Any]:
    """Return the values that belong to a run's identity, as JSON values by name; those of models in it likewise.

    The hash over them is in the records of every run. Another name or form of a value is another hash: then no run that an
    older version began can be resumed.
    """
    return model.model_dump(mode="json", exclude=_excluded_fields(model))


def _excluded_fields(model: IdentityModel) -> dict[str, Any]:
    excluded: dict[str, Any] = {}
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        if not _in_identity(field):
            excluded[name] = True
        elif isinstance(value, IdentityModel) and (inner := _excluded_fields(value)):
            excluded[name] = inner
    return excluded


def _in_identity(field: FieldInfo) -> bool | None:
    return next((entry.value for entry in field.metadata if isinstance(entry, _InIdentity)), None)
