"""Tell samples apart that ask for one path: by a word of where they come from, else by their ids. Pure."""

import gc
import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from heapq import heapify, heappop, heappush
from typing import NamedTuple

import polars as pl

from tasks.layout.source_folders import LONGEST_WORD

# What a word puts behind a name; an id has two underscores in front.
_WORD_SUFFIX = re.compile(r"_(?!_)(?:(?!__)[\w -])*[^\W_]")


@contextmanager
def _uncollected() -> Iterator[None]:
    """Pause the garbage collector: of hundreds of thousands of tuples none is garbage, and to look costs a tenth of a plan."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class _Request(NamedTuple):
    """A row that asks for a path: ``stem`` is the folded path without its extension, ``folders`` the names of its folders.

    Older samples come first.
    """

    sample: int
    row: int
    stem: str
    is_suffixed: bool
    folders: tuple[str, ...]


class SuffixChooser:
    """Choose the suffixes of all rows.

    Attributes:
        extension: What each path ends in.
        most: The longest stem that gets a word behind it, the word included.
    """

    def __init__(self, rows: pl.DataFrame, owners: pl.Series, held: pl.DataFrame, extension: str, most: int) -> None:
        """Take the rows and who owns the path that each asks for.

        Args:
            rows: ``sample_id`` (Int64), ``folded`` (String, the path that a row asks for, as a card compares it),
                ``is_suffixed`` (Boolean: its name ends as an id does, and may not be a plain one) and ``folders``
                (List[String]: the clean names of the folders that its source is in, the nearest first).
            owners: ``sample_id`` (Int64), for each row.
            held: Who has a path from earlier exports: ``folded`` (String), ``holder`` (Int64).
            extension: With its dot.
            most: The longest stem with a word behind it.
        """
        self.extension, self.most = extension, most
        self._rows = rows.with_row_index("row").with_columns(owner=owners)
        self._wins = (pl.col("owner") == pl.col("sample_id")) & ~pl.col("is_suffixed")
        self._held_paths = held
        self._suffixes: dict[int, str] = {}

    def choose(self) -> pl.Series:
        """Return the suffix of each row: "" for the owner of a path, a word of their folders for others, else their id.

        What a sample has behind its plain name from an earlier export, it keeps. A word is not given where it would make a
        path that an older sample asks for, or another one has, nor where the owner lies in a folder of that name, too.
        """
        asking = self._rows.filter(~self._wins)
        if asking.height:
            winners = self._rows.filter(self._wins)
            self._asked = dict(zip(winners["folded"].to_list(), winners["sample_id"].to_list(), strict=True))
            self._held = dict(self._held_paths.select("folded", "holder").iter_rows())
            outdoing = winners.join(asking, on="folded", how="semi")
            self._folders = dict(outdoing.select("folded", "folders").iter_rows())
            with _uncollected():
                self._give_out(self._keep(self._requests(asking)))
        schema = {"row": pl.UInt32, "suffix": pl.String}
        chosen = pl.DataFrame({"row": [*self._suffixes], "suffix": [*self._suffixes.values()]}, schema)
        return self._rows.select("row").join(chosen, on="row", how="left", maintain_order="left")["suffix"].fill_null("")

    def _requests(self, rows: pl.DataFrame) -> list[_Request]:
        stems = pl.col("folded").str.strip_suffix(self.extension)
        cells = rows.sort("sample_id", "row").select("sample_id", "row", stems, "is_suffixed", "folders")
        return [
            _Request(sample, row, stem, bool(is_suffixed), tuple(folders or ()))
            for sample, row, stem, is_suffixed, folders in cells.iter_rows()
        ]

    def _keep(self, losers: list[_Request]) -> list[_Request]:
        """Let samples keep the paths that they have; who asked for one of these loses it. Return the requests that are left."""
        self._taken: dict[str, int] = {}
        if not self._held:
            return losers
        left: list[_Request] = []
        while losers:
            own = self._own_paths(losers)
            lost: list[str] = []
            for request in losers:
                path = "" if request.is_suffixed else self._kept_path(request, own[request.sample])
                if not path:
                    left.append(request)
                    continue
                self._suffixes[request.row] = path[len(request.stem) : -len(self.extension)]
                self._taken[path] = request.sample
                if path in self._asked:
                    lost.append(path)
                    del self._asked[path]
                self._folders[path] = request.folders
            losers = self._requests(self._rows.filter(self._wins & pl.col("folded").is_in(lost))) if lost else []
        return sorted(left)

    def _own_paths(self, requests: list[_Request]) -> defaultdict[int, list[str]]:
        samples = [request.sample for request in requests]
        own: defaultdict[int, list[str]] = defaultdict(list)
        for path, sample in self._held_paths.filter(pl.col("holder").is_in(samples)).select("folded", "holder").iter_rows():
            own[sample].append(path)
        return own

    def _kept_path(self, request: _Request, own: list[str]) -> str:
        """Return the path with a suffix that a sample has: a word of its folders, or its id, or a word of an earlier folder."""
        if not own:
            return ""
        begins = [path for path in own if path.startswith(request.stem) and path.endswith(self.extension)]
        suffixes = {path[len(request.stem) : -len(self.extension)]: path for path in begins}
        own_id = f"__{request.sample}"
        known = [*(f"_{word}" for word in request.folders), own_id]
        others = sorted(suffix for suffix in suffixes if _WORD_SUFFIX.fullmatch(suffix))
        for path in (suffixes[suffix] for suffix in (*known, *others) if suffix in suffixes):
            # What it asks for by another title is no suffix.
            asked_too = self._asked.get(path) == request.sample
            if not asked_too and self._taken.get(path, request.sample) == request.sample:
                return path
        return ""

    def _give_out(self, requests: list[_Request]) -> None:
        """Give suffixes in the order of ids, so that newer samples change nothing for older ones, also without records."""
        waiting = [*requests]
        heapify(waiting)
        while waiting:
            request = heappop(waiting)
            word = self._free_word(request)
            self._suffixes[request.row] = word or f"__{request.sample}"
            path = request.stem + word + self.extension
            if word and self._asked.get(path, request.sample) != request.sample:  # by a newer sample
                del self._asked[path]
                outdone = self._requests(self._rows.filter(self._wins & (pl.col("folded") == path)))
                for lost in outdone:
                    heappush(waiting, lost)

    def _free_word(self, request: _Request) -> str:
        """Return a word that makes a path which nobody asks for or has; "" where there is none."""
        if request.is_suffixed or not request.folders:
            return ""
        others = self._folders.get(request.stem + self.extension) or ()
        name = request.stem.rsplit("/", 1)[-1]
        own = f"_{name.replace('-', '_')}_"
        for word in request.folders:
            tells = (
                word and word not in others and f"_{word.replace('-', '_')}_" not in own and _WORD_SUFFIX.fullmatch(f"_{word}")
            )
            if not tells or len(word.encode()) > LONGEST_WORD or len(f"{name}_{word}".encode()) > self.most:
                continue
            path = f"{request.stem}_{word}{self.extension}"
            is_ours = self._taken.get(path, request.sample) == request.sample
            if is_ours and self._asked.get(path, request.sample) >= request.sample and path not in self._held:
                self._taken[path] = request.sample
                self._folders[path] = request.folders
                return f"_{word}"
        return ""
