"""Give routes the services of the application, and the parts of a request that many of them read."""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Header, Path, Request

from flows.api.activity import ActivityReport
from flows.api.cards import ServerCards
from flows.api.downloads import Downloads
from flows.api.export_queue import SharedProcessPool
from flows.api.exports import RecordExporter
from flows.api.folder_scans import FolderScans
from flows.api.jobs import JobQueue
from flows.api.kit_shelf import KitShelf
from flows.api.library import LibraryPages
from flows.api.previews import Previews
from flows.api.waveforms import Waveforms
from schemas.api import HIGHEST_ID
from schemas.errors import RequestError

# The longest that samples in hand, and then the records of their export, hold up the end of the server.
_IN_HAND_SECONDS, _LAST_SECONDS = 2.0, 0.5
_REPEATABLE = {"genre", "key"}


@dataclass(frozen=True)
class ApiServices:
    """The services that the routes call: ``app.state.services``."""

    process_pool: SharedProcessPool
    queue: JobQueue
    library: LibraryPages
    kits: KitShelf
    exporter: RecordExporter
    downloads: Downloads
    waveforms: Waveforms
    previews: Previews
    activity: ActivityReport
    folders: FolderScans
    cards: ServerCards

    def stop(self) -> None:
        """Begin nothing more; give the samples in hand two seconds; then every client that waits has its answer."""
        self.queue.stop(_IN_HAND_SECONDS)
        self.process_pool.close()
        self.queue.give_up(_LAST_SECONDS)

    def close(self) -> None:
        """End all exports, and the processes that decode."""
        self.queue.close()
        self.process_pool.close()
        self.downloads.close()
        self.previews.close()


def _service(name: str) -> Any:
    """Return the dependency that gives a route the service of this name."""

    def find(request: Request) -> Any:
        return getattr(request.app.state.services, name)

    return Depends(find)


def reject_repeated_parameters(request: Request) -> None:
    """Refuse a query in which a parameter is given twice that takes one value.

    Raises:
        RequestError: It is.
    """
    names = [name for name, _ in request.query_params.multi_items() if name not in _REPEATABLE]
    if len(names) != len(set(names)):
        raise RequestError(what="A parameter is given twice in the query", fix="Give each parameter once.")


IfNoneMatchHeader = Annotated[str | None, Header(alias="If-None-Match", description="The ETag of the last answer.")]
Exporter = Annotated[RecordExporter, _service("exporter")]
Jobs = Annotated[JobQueue, _service("queue")]
Cards = Annotated[ServerCards, _service("cards")]
Folders = Annotated[FolderScans, _service("folders")]
WhatGoesOn = Annotated[ActivityReport, _service("activity")]
Kits = Annotated[KitShelf, _service("kits")]
Library = Annotated[LibraryPages, _service("library")]
DownloadFiles = Annotated[Downloads, _service("downloads")]
WaveformDrawer = Annotated[Waveforms, _service("waveforms")]
PreviewFiles = Annotated[Previews, _service("previews")]
RecordId = Annotated[int, Path(ge=1, le=HIGHEST_ID, examples=[1])]
# Of a kit file its name, else the number of the kit in the records.
KitId = Annotated[str, Path(max_length=255, pattern=r"^[^/\x00-\x1f\x7f-\x9f]+$", examples=["night_bus"])]
CardId = Annotated[str, Path(max_length=64, pattern=r"^[^/\x00-\x1f\x7f-\x9f]+$", examples=["0123456789abcdef"])]
PreferHeader = Annotated[str | None, Header(description="`respond-async`: answer 202 at once.", examples=["respond-async"])]
RangeHeader = Annotated[str | None, Header(alias="Range", description="One range of bytes, such as bytes=0-1023.")]
IfRangeHeader = Annotated[str | None, Header(alias="If-Range", description="The ETag that the range is of.")]
