"""Orders of REST clients as operations on a kit, and back: clients name samples, and files that kits name stay here."""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from hashlib import blake2b

from flows.api.library import LibraryPages, unknown_sample
from schemas.errors import PadConflictError
from schemas.kit_api import (
    ClearOrder,
    CopyOrder,
    FillOrder,
    KitOrder,
    MoveOrder,
    PutOrder,
    RenameOrder,
    RestoreOrder,
    SwapOrder,
    TempoOrder,
)
from tasks.manifest.kits.kit_text import quote
from tasks.manifest.kits.pad_operations import (
    ClearPad,
    CopyPad,
    FillPads,
    MovePad,
    Operation,
    PutPad,
    RenameKit,
    SetTempo,
    SwapPads,
)
from tasks.scan.kit_proposals import lay_out_files

_MOST_TAKEN = 20_000


class OrderTranslator:
    """Translates orders; remembers what was taken from pads, for the orders that undo it.

    A pad can name any file of the machine, since a person can write a kit file; a client gets a key for it instead.
    """

    def __init__(self, library: LibraryPages) -> None:
        self._library = library
        self._lock = threading.Lock()
        self._taken: OrderedDict[str, str] = OrderedDict()

    def to_operations(self, orders: Sequence[KitOrder]) -> list[Operation]:
        """Translate orders of a client.

        Raises:
            RecordNotFoundError: There is no such sample.
            PadConflictError: What is to be restored is not remembered.
        """
        ids = {order.sample_id for order in orders if isinstance(order, PutOrder)}
        ids |= {number for order in orders if isinstance(order, FillOrder) for number in order.sample_ids}
        paths = self._library.paths_of(sorted(ids)) if ids else {}
        for number in sorted(ids - paths.keys()):
            raise unknown_sample(number)
        return [self._to_operation(order, paths) for order in orders]

    def from_operations(self, operations: Sequence[Operation]) -> list[KitOrder]:
        """Translate the operations of an inverse list."""
        return [self._from_operation(operation) for operation in operations]

    def _to_operation(self, order: KitOrder, paths: dict[int, str]) -> Operation:
        operation: Operation
        match order:
            case PutOrder():
                operation = PutPad(order.pad, pad_content(order.sample_id, paths[order.sample_id]))
            case RestoreOrder():
                operation = PutPad(order.pad, self._recall(order))
            case FillOrder():
                places = lay_out_files({number: paths[number] for number in order.sample_ids})
                contents = ((place, pad_content(number, paths[number])) for number, place in places.items())
                operation = FillPads(order.bank, tuple(sorted(contents)))
            case CopyOrder():
                operation = CopyPad(order.pad, order.to)
            case MoveOrder():
                operation = MovePad(order.pad, order.to)
            case SwapOrder():
                operation = SwapPads(order.pad, order.to)
            case ClearOrder():
                operation = ClearPad(order.pad)
            case RenameOrder():
                operation = RenameKit(order.name)
            case TempoOrder():
                operation = SetTempo(order.tempo)
        return operation

    def _from_operation(self, operation: Operation) -> KitOrder:
        match operation:
            case PutPad(pad, content):
                return RestoreOrder(op="restore", pad=pad, content=self._remember(content))
            case RenameKit(name):
                return RenameOrder.model_construct(
                    op="rename", name=name
                )  # a person may have named it otherwise than clients may
            case SetTempo(tempo):
                return TempoOrder(op="tempo", tempo=tempo)
            case ClearPad(pad):
                return ClearOrder(op="clear", pad=pad)
            case _:
                raise AssertionError(operation)

    def _remember(self, content: str) -> str:
        key = blake2b(content.encode(), digest_size=16).hexdigest()
        with self._lock:
            self._taken[key] = content
            self._taken.move_to_end(key)
            if len(self._taken) > _MOST_TAKEN:
                self._taken.popitem(last=False)
        return key

    def _recall(self, order: RestoreOrder) -> str:
        with self._lock:
            content = self._taken.get(order.content)
        if content is None:
            what = f"What was on pad {order.pad} is not known any more"
            raise PadConflictError(what=what, fix="Put the sample there: the server was started anew meanwhile.")
        return content


def pad_content(sample_id: int, path: str) -> str:
    """Return what a kit file says of a pad with a sample: its id, and its file for those who have other records."""
    return f" {{id: {sample_id}, file: {quote(path)}}}"
