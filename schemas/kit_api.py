"""Requests and answers of the REST API about kits that are edited: operations on pads, findings, what mends them."""

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from schemas.api import Id, KitDetail, Problem, check_number
from schemas.enums import KitRule
from schemas.export import ExportConfig, SoundConfig
from schemas.music import BPM_MAX, BPM_MIN
from schemas.run_identity import setting
from schemas.sample_api import check_sound

MOST_PADS = 160
# At least one letter, without characters that are not shown and those that change the direction of what is beside them.
_CONTROLS = r"\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069"
_NAME = rf"^[^{_CONTROLS}]*[^\s{_CONTROLS}][^{_CONTROLS}]*$"
KitName = Annotated[str, Field(max_length=200, pattern=_NAME, examples=["Night Bus"]), AfterValidator(str.strip)]
KitTempo = Annotated[float, Field(ge=BPM_MIN, le=BPM_MAX, allow_inf_nan=False, examples=[92]), BeforeValidator(check_number)]
PadName = Annotated[str, Field(pattern=r"^[A-J]([1-9]|1[0-6])$", examples=["A1"])]
SampleNumber = Annotated[Id, BeforeValidator(check_number)]
_STRICT = ConfigDict(extra="forbid", frozen=True)


class PutOrder(BaseModel):
    """Put a sample on a pad, in the place of what is there."""

    model_config = _STRICT

    op: Literal["put"]
    pad: PadName
    sample_id: SampleNumber


class RestoreOrder(BaseModel):
    """Put on a pad what a list of operations took away; only an ``inverse`` has such, while the server runs."""

    model_config = _STRICT

    op: Literal["restore"]
    pad: PadName
    content: str = Field(pattern="^[0-9a-f]{32}$", examples=["0123456789abcdef0123456789abcdef"])


class CopyOrder(BaseModel):
    """Put on the pad ``to`` what another one has, in the place of what is there."""

    model_config = _STRICT

    op: Literal["copy"]
    pad: PadName
    to: PadName


class MoveOrder(BaseModel):
    """Move to the pad ``to``, in the place of what is there."""

    model_config = _STRICT

    op: Literal["move"]
    pad: PadName
    to: PadName


class SwapOrder(BaseModel):
    """Exchange two pads; one of them may be empty."""

    model_config = _STRICT

    op: Literal["swap"]
    pad: PadName
    to: PadName


class ClearOrder(BaseModel):
    """Empty a pad."""

    model_config = _STRICT

    op: Literal["clear"]
    pad: PadName


class FillOrder(BaseModel):
    """Put samples on free pads from a bank on: drums where players expect them, as `sp404 scan --kits` does."""

    model_config = _STRICT

    op: Literal["fill"]
    bank: str = Field("A", pattern="^[A-J]$")
    sample_ids: list[SampleNumber] = Field(min_length=1, max_length=MOST_PADS)


class RenameOrder(BaseModel):
    """Give the kit a name; null: that of its file."""

    model_config = _STRICT

    op: Literal["rename"]
    name: KitName | None


class TempoOrder(BaseModel):
    """Set the tempo of the kit; null: none."""

    model_config = _STRICT

    op: Literal["tempo"]
    tempo: KitTempo | None


KitOrder: TypeAlias = Annotated[
    PutOrder | RestoreOrder | CopyOrder | MoveOrder | SwapOrder | ClearOrder | FillOrder | RenameOrder | TempoOrder,
    Field(discriminator="op"),
]


class PadOrders(BaseModel):
    """Operations that are done one after the other: all, or none."""

    model_config = _STRICT | ConfigDict(
        json_schema_extra={"example": {"operations": [{"op": "put", "pad": "A1", "sample_id": 1}]}}
    )

    operations: list[KitOrder] = Field(min_length=1, max_length=2 * MOST_PADS)


class NewKit(BaseModel):
    """A kit to be made."""

    model_config = _STRICT | ConfigDict(json_schema_extra={"example": {"name": "Night Bus", "tempo": 92}})

    name: KitName
    tempo: KitTempo | None = None


class KitCopyOrder(BaseModel):
    """The copy of a kit. Without a name it has that of the kit, with a word behind."""

    model_config = _STRICT | ConfigDict(json_schema_extra={"example": {"name": "Night Bus, late"}})

    name: KitName | None = None


class KitChange(BaseModel):
    """Change fields of a kit: those that are given. ``tempo`` null: none."""

    model_config = _STRICT | ConfigDict(json_schema_extra={"example": {"tempo": 90}})

    name: KitName | None = None
    tempo: KitTempo | None = None


class KitMend(BaseModel):
    """Mend a finding: by operations on the kit, or by settings of the sound for its export."""

    words: str
    operations: list[KitOrder] = []
    sound: dict[str, Any] = {}


class PadFinding(BaseModel):
    """Something in a kit that deserves a look; it stops nothing. ``bank`` and ``pad`` are null where it is about all of it."""

    bank: str | None
    pad: int | None
    rule: KitRule
    text: str
    fix: str
    mend: KitMend | None


class PadResult(BaseModel):
    """Report the last export of a pad with the sample that it has now; ``error`` is empty on success."""

    bank: str
    pad: int
    success: bool
    error: str


class KitLint(BaseModel):
    """Report the findings in a kit, by its rows and the records. Less is known of ``unheard`` samples: not exported yet.

    ``results``: of the pads that were exported with the samples that they have now.
    """

    findings: list[PadFinding]
    unheard: int
    results: list[PadResult]


class EditedKitAnswer(BaseModel):
    """A kit after a change, what is found in it, and the operations that undo the change."""

    kit: KitDetail
    lint: KitLint
    inverse: list[KitOrder]


class KitConflict(Problem):
    """The answer to a change of a kit that another one changed meanwhile, with the kit as it is now."""

    kit: KitDetail


class KitExportConfig(ExportConfig):
    """The layout and format of a kit's files, and what is done to their sound."""

    sound: Annotated[SoundConfig, BeforeValidator(check_sound)] = setting(
        SoundConfig(), identity=True, description="What is done to the sound."
    )
