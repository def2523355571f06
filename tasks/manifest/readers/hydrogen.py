"""Read Hydrogen's drumkit.xml, of any of its versions: every layer of every instrument has a pad."""

import math
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PureWindowsPath

from schemas.errors import ManifestError
from schemas.music import BANKS, PADS_PER_BANK, PADS_PER_KIT
from tasks.manifest.library_names import HYDROGEN
from tasks.manifest.readers.kit_rows import (
    SHOWN_CHARS,
    Cells,
    KitRowCollector,
    Position,
    count_noun,
    read_at_most,
    replace_half_pairs,
)
from tasks.manifest.readers.plain_xml import create_parser, xml_errors
from tasks.manifest.readers.source_table import SourceTable, table_of_kits

_MAX_BYTES = 1 << 22
# What is Hydrogen's to do with a sample, by what musicians call it, with the values that leave the sample as it is.
_NEUTRAL = {
    "volume": {"volume": "1", "gain": "1"},
    "pan": {"pan": "0", "pan_L": "1", "pan_R": "1"},
    "pitch": {"pitchOffset": "0", "randomPitchFactor": "0", "pitch": "0"},
    "filter": {"filterActive": "false"},
    "envelope": {"Attack": "0", "Decay": "0", "Sustain": "1", "Release": "1000"},
    "mute group": {"muteGroup": "-1", "exclude": "", "isStopNote": "false", "isHihat": "-1"},
    "effects": {f"FX{number}Level": "0" for number in range(1, 5)},
}


class _Element:
    """An XML element with its line."""

    __slots__ = ("children", "line", "tag", "text")

    def __init__(self, tag: str, line: int) -> None:
        self.tag, self.line, self.text = tag, line, ""
        self.children: list[_Element] = []

    def all(self, tag: str) -> "list[_Element]":
        return [child for child in self.children if child.tag == tag]

    def of(self, tag: str) -> str:
        return next((child.text.strip() for child in self.all(tag)), "")

    def share(self, tag: str, default: float) -> float:
        number = _number(self.of(tag))
        return default if number is None else min(max(number, 0.0), 1.0)


@dataclass(frozen=True)
class _Layer:
    """``low`` and ``high``: the velocities at which it sounds, 0 to 1."""

    line: int
    file_path: str
    title: str
    low: float
    high: float


def open_hydrogen(path: str) -> SourceTable:
    """Read a drumkit.

    Raises:
        ManifestError: It is too large, not XML, not a drumkit, or names no samples.
    """
    collector = KitRowCollector(path)
    _read_drumkit(collector, _parse(path, read_at_most(path, _MAX_BYTES)))
    return table_of_kits(collector.to_table())


def _parse(path: str, data: bytes) -> _Element:
    """Return the root element; name spaces are taken away, as some versions of Hydrogen write one and others none."""
    parser = create_parser(path, "Hydrogen")
    top = _Element("", 0)
    stack = [top]

    def start(name: str, _attributes: dict[str, str]) -> None:
        element = _Element(name.rpartition(" ")[2], parser.CurrentLineNumber)
        stack[-1].children.append(element)
        stack.append(element)

    def end(_name: str) -> None:
        stack.pop()

    def text(data: str) -> None:
        stack[-1].text += data

    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, text
    with xml_errors(path, "Save the kit again in Hydrogen."):
        parser.Parse(data, True)
    root = top.children[0]
    if root.tag != "drumkit_info":
        what = f"is neither a drumkit of Hydrogen nor a collection of rekordbox: its root is {root.tag[:SHOWN_CHARS]!r}"
        raise ManifestError(path=path, what=what, fix=f"Give a {HYDROGEN}, the XML of rekordbox, or a manifest as CSV.")
    return root


def _read_drumkit(collector: KitRowCollector, root: _Element) -> None:
    """Put the loudest layer of each instrument on the first pads, and the others from the next bank on."""
    folder = os.path.basename(os.path.dirname(os.path.realpath(collector.path)))
    name = root.of("name") or replace_half_pairs(folder) or HYDROGEN
    instruments = [instrument for group in root.all("instrumentList") for instrument in group.all("instrument")]
    with_sound = [(instrument, layers) for instrument in instruments if (layers := _layers(instrument))]
    if not with_sound:
        raise ManifestError(path=collector.path, what="names no samples", fix="Give its instruments samples in Hydrogen.")
    main: list[_Layer] = []
    softer: list[_Layer] = []
    for _, layers in with_sound:
        loudest = max(layers, key=lambda layer: layer.high)
        main.append(loudest)
        softer += [layer for layer in layers if layer is not loudest]
    second = -(-len(main) // PADS_PER_BANK) * PADS_PER_BANK
    for place, layer in (*enumerate(main), *enumerate(softer, second)):
        number, slot = divmod(place, PADS_PER_KIT)
        bank, pad = divmod(slot, PADS_PER_BANK)
        kit = f"{name} {number + 1}" if number else name
        cells: Cells = {
            "kit": kit,
            "bank": BANKS[bank],
            "pad": str(pad + 1),
            "title": layer.title,
            "file_path": layer.file_path,
        }
        collector.add_row(Position(layer.line), cells)
    last = (second + len(softer) if softer else len(main)) - 1
    if softer:
        many = count_noun(len(softer), "softer layer has a pad", "softer layers have pads")
        collector.notes.append(f"{many} of their own: the device does not choose among samples by velocity")
    if last >= PADS_PER_KIT:
        collector.notes.append(f"a kit has {PADS_PER_KIT} pads: the rest is in kits up to '{name} {last // PADS_PER_KIT + 1}'")
    collector.notes += _count_not_carried(
        root, [instrument for instrument, _ in with_sound], len(instruments) - len(with_sound)
    )


def _layers_in(instrument: _Element) -> list[_Element]:
    """Return the layers below the instrument, below its components, or (before there were layers) the instrument itself."""
    holders = [instrument, *instrument.all("instrumentComponent")]
    layers = [layer for holder in holders for layer in holder.all("layer")]
    return layers or ([instrument] if instrument.of("filename") else [])


def _layers(instrument: _Element) -> list[_Layer]:
    elements = [layer for layer in _layers_in(instrument) if layer.of("filename")]
    layers: list[_Layer] = []
    titles: Counter[str] = Counter()
    for element in elements:
        low, high, file_path = element.share("min", 0.0), element.share("max", 1.0), element.of("filename")
        title = instrument.of("name") or PureWindowsPath(file_path).stem
        if len(elements) > 1:
            title += f" v{low * 100:.0f}-{high * 100:.0f}"
        titles[title] += 1
        title += f" {titles[title]}" if titles[title] > 1 else ""
        line = element.all("filename")[0].line
        layers.append(_Layer(line, file_path, title, low, high))
    return layers


def _count_not_carried(root: _Element, with_sound: list[_Element], silent: int) -> Iterator[str]:
    """Yield a note for each kind of thing that the kit says beyond its samples."""
    if silent:
        yield count_noun(silent, "instrument names no sample and has no pad", "instruments name no sample and have no pad")
    nameless = sum(not layer.of("filename") for instrument in with_sound for layer in _layers_in(instrument))
    if nameless:
        yield count_noun(nameless, "layer names no sample and has no pad", "layers name no sample and have no pad")
    own = [aspects for instrument in with_sound if (aspects := _own_sound(instrument))]
    if own:
        said = [aspect for aspect in _NEUTRAL if any(aspect in aspects for aspects in own)]
        listed = " and ".join(filter(None, (", ".join(said[:-1]), said[-1])))
        verb = "are" if len(said) > 1 else "is"
        yield f"{count_noun(len(own), 'instrument', 'instruments')}: {listed} {verb} Hydrogen's own and {verb} not carried over"
    muted = sum(instrument.of("isMuted") == "true" for instrument in with_sound)
    if muted:
        yield f"{count_noun(muted, 'instrument is', 'instruments are')} muted in Hydrogen and exported all the same"
    parts = [part for group in root.all("componentList") for part in group.all("drumkitComponent")]
    louder = sum(_differs(part.of("volume"), "1") for part in parts)
    if louder:
        yield f"{count_noun(louder, 'component has a volume that is', 'components have volumes that are')} not carried over"


def _own_sound(instrument: _Element) -> set[str]:
    places = [instrument, *instrument.all("instrumentComponent"), *_layers_in(instrument)]
    return {
        aspect
        for aspect, tags in _NEUTRAL.items()
        if any(_differs(place.of(tag), neutral) for place in places for tag, neutral in tags.items())
    }


def _differs(text: str, neutral: str) -> bool:
    number = _number(text)
    return bool(text) and (text != neutral if number is None else number != _number(neutral))


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
