"""Kits of drum machines in many layouts of folders, pad by pad: what a player expects, written by hand."""
# ruff: noqa: E501 (a layout is read best as one line)

import os

import polars as pl
import pytest

from schemas.music import BANKS
from tasks.scan.kit_proposals import propose_kits
from tests.support.scan_table import told


def slots(*files: str, seconds: float = 0.4) -> dict[str, dict[str, str]]:
    """The files by bank and pad, by kit. ``files``: paths below the scanned folder; kinds are inferred, as in a scan."""
    guesses = [_kind(path, seconds) for path in files]
    rows = pl.DataFrame(
        {
            "path": [f"/lib/{path}" for path in files],
            "kind": [value for value, _ in guesses],
            "kind_source": [source for _, source in guesses],
        },
        dict.fromkeys(("path", "kind", "kind_source"), pl.String),
    )
    kits: dict[str, dict[str, str]] = {}
    for path, kit, bank, pad in propose_kits(rows).select("path", "kit", "bank", "pad").rows():
        if kit:
            kits.setdefault(kit, {})[f"{bank}{pad}"] = path.removeprefix("/lib/")
    return kits


def _kind(path: str, seconds: float) -> tuple[str | None, str | None]:
    *folders, name = path.split("/")
    guess = told(os.path.splitext(name)[0], [*reversed(folders), "lib"], seconds).get("kind")
    return (guess.value, guess.source) if guess else (None, None)


def below(folder: str, *names: str) -> list[str]:
    return [f"{folder}/{name}.wav" for name in names]


# What is scanned, the name of its kit, and the pads that are written down; "" is a pad without a sample.
LAYOUTS = {
    "codes behind the machine's name": (
        [f"Rhythm King/rhythmking-{code}/00{n}.wav" for code in ("bd", "sd", "hh", "oh", "cp") for n in (1, 2)],
        "Rhythm King",
        "A1 rhythmking-bd/001, A2 rhythmking-sd/001, A3 rhythmking-hh/001, A4 rhythmking-oh/001, A5 rhythmking-cp/001, A6 rhythmking-bd/002",
    ),
    "machines side by side": (
        [f"{machine}-{code}/x.wav" for machine in ("tr808", "tr606") for code in ("bd", "sd", "ch", "oh", "cy")],
        "tr808",
        "A1 tr808-bd/x, A2 tr808-sd/x, A3 tr808-ch/x, A4 tr808-oh/x, A10 tr808-cy/x",
    ),
    "codes glued to a number": (
        [f"808{code}/{code.upper()}{take}.WAV" for code in ("bd", "sd", "ht", "mt", "lt", "cb") for take in ("0010", "0000")],
        "808",
        "A1 808bd/BD0000, A2 808sd/SD0000, A7 808lt/LT0000, A8 808mt/MT0000, A9 808ht/HT0000, A12 808cb/CB0000, A3 808bd/BD0010",
    ),
    "folders of words": (
        [f"Dusty/{name}/{n}.wav" for name in ("Kicks", "Snares", "Hats", "Claps") for n in (1, 2, 10)],
        "Dusty",
        "A1 Kicks/1, A2 Snares/1, A3 Hats/1, A5 Claps/1, A4 Kicks/2, A6 Snares/2, A7 Hats/2, A8 Claps/2, A9 Kicks/10",
    ),
    "numbered folders of codes": (
        [f"Box/{name}/{name[3:]}{n}.wav" for name in ("01 BD", "02 SD", "03 CH", "04 OH", "05 RS") for n in (1, 2)],
        "Box",
        "A1 01 BD/BD1, A2 02 SD/SD1, A3 03 CH/CH1, A4 04 OH/OH1, A6 05 RS/RS1",
    ),
    "words behind a number of the machine": (
        [f"Machines/{m} {name}/{name} {n}.wav" for m in ("707", "909") for name in ("Kick", "Snare", "Ride") for n in (1, 2)],
        "909",
        "A1 909 Kick/Kick 1, A2 909 Snare/Snare 1, A11 909 Ride/Ride 1, A3 909 Kick/Kick 2",
    ),
    "toms from low to high, with takes": (
        [
            *below("Linnette/linnette-ht", "Tom H-01", "Tom H-02"),
            *below("Linnette/linnette-mt", "Tom M"),
            *below("Linnette/linnette-lt", "Tom L"),
            *below("Linnette/linnette-bd", "Bassdrum"),
            *below("Linnette/linnette-sh", "Cabasa"),
        ],
        "Linnette",
        "A1 linnette-bd/Bassdrum, A7 linnette-lt/Tom L, A8 linnette-mt/Tom M, A9 linnette-ht/Tom H-01, A12 linnette-sh/Cabasa, A2 linnette-ht/Tom H-02",
    ),
    "what a machine has besides drums": (
        [*below("Pulsar/pulsar-bd", "a", "b"), *below("Pulsar/pulsar-sd", "a", "b"), *below("Pulsar/pulsar-misc", "Slap Bass", "Hit")],
        "Pulsar",
        "A1 pulsar-bd/a, A2 pulsar-sd/a, A12 pulsar-misc/Slap Bass, A13 pulsar-misc/Hit",
    ),
    "one folder of words": (
        below("Loft Kit", "LK Kick 1", "LK Kick 2", "LK Snare", "LK Hat Cl", "LK Hat Op", "LK Tom Floor", "LK Tom Hi", "LK Crash"),
        "Loft Kit",
        "A1 LK Kick 1, A2 LK Snare, A3 LK Hat Cl, A4 LK Hat Op, A5 LK Kick 2, A7 LK Tom Floor, A9 LK Tom Hi, A10 LK Crash",
    ),
    "one folder of codes": (
        below("Beatbox", "BD", "SD", "CH", "OH", "CP", "RS", "LT", "MT", "HT", "CY", "MA", "CB"),
        "Beatbox",
        "A1 BD, A2 SD, A3 CH, A4 OH, A5 CP, A6 RS, A7 LT, A8 MT, A9 HT, A10 CY, A12 CB, A13 MA",
    ),
    "glued words behind a common prefix": (
        below("zz", "001_zz2kick1", "002_zz2openhh", "003_zz2closedhh", "004_zz2snare1", "005_zz2ride", "006_zz2perc1"),
        "zz",
        "A1 001_zz2kick1, A2 004_zz2snare1, A3 003_zz2closedhh, A4 002_zz2openhh, A11 005_zz2ride, A12 006_zz2perc1",
    ),
    "layers of an acoustic set": (
        below("Oak", *(f"{drum}-{n}" for drum in ("OakKick", "OakSnare", "HatClosed", "HatOpen", "HatPedal", "China") for n in range(4))),
        "Oak",
        "A1 OakKick-0, A2 OakSnare-0, A3 HatClosed-0, A4 HatOpen-0, A10 China-0, A12 HatPedal-0, B1 OakKick-3, B2 OakSnare-3",
    ),
    "folders below an instrument's": (
        [*below("Set/Kicks/Deep", "1", "2"), *below("Set/Kicks", "0"), *below("Set/Snares", "1"), *below("Set/Hats", "Open 1", "Closed 1")],
        "Set",
        "A1 Kicks/0, A2 Snares/1, A3 Hats/Closed 1, A4 Hats/Open 1, A5 Kicks/Deep/1, A6 Kicks/Deep/2",
    ),
    "folders of several drums": (
        [
            *below("Lex Kit/CLAPS-SNARES", "cs 1", "snare 2", "clap 3"), *below("Lex Kit/KICKS", "Kick 1", "kick 2"),
            *below("Lex Kit/HATS", "HH 1", "OH 2"), *below("Lex Kit/PERCS", "rim 1", "tom"),
        ],
        "Lex Kit",
        "A1 KICKS/Kick 1, A2 CLAPS-SNARES/snare 2, A3 HATS/HH 1, A4 HATS/OH 2, A5 CLAPS-SNARES/clap 3, A6 PERCS/rim 1, A7 PERCS/tom",
    ),
    "hats by words and codes behind a product's name": (
        [
            f"Vendor/VX1 {folder}/VX1 {name} {n:03}.wav"
            for folder, name in (("Bassdrums", "BD"), ("Snares", "Snare"), ("Closed HH", "Closed HH"), ("Open HH", "Open HH"))
            for n in (1, 2)
        ],
        "VX",
        "A1 VX1 BD 001, A2 VX1 Snare 001, A3 VX1 Closed HH 001, A4 VX1 Open HH 001, A5 VX1 BD 002",
    ),
    "hats in one word each": (
        [f"DRUMS/{name}/{name}_{n}.wav" for name in ("KICK", "SNARE", "CLAP", "CHAT", "OHAT", "PERC") for n in (1, 2)],
        "DRUMS",
        "A1 KICK_1, A2 SNARE_1, A3 CHAT_1, A4 OHAT_1, A5 CLAP_1, A12 PERC_1",
    ),
    "another language": (
        below("Schlagzeug", "Große Trommel 1", "Kleine Trommel 1", "HiHat zu", "HiHat offen", "Tom hoch", "Tom tief"),
        "Schlagzeug",
        "A1 Große Trommel 1, A2 Kleine Trommel 1, A3 HiHat zu, A4 HiHat offen, A7 Tom hoch, A8 Tom tief",
    ),
}  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_machine_is_one_kit(layout: str) -> None:
    files, name, wanted = LAYOUTS[layout]
    kits = slots(*files)
    assert name in kits, list(kits)
    pads = {slot: os.path.splitext(path)[0] for slot, path in kits[name].items()}
    for cell in wanted.split(", "):
        slot, _, path = cell.partition(" ")
        assert pads[slot].endswith(path), (slot, pads)
    assert sum(map(len, kits.values())) == len(files)


def test_every_bank_of_a_big_machine_is_a_set_that_can_be_played() -> None:
    codes = ("bd", "sd", "hh", "oh", "cp", "cr")
    (kit,) = slots(*(f"Big/big-{code}/{n}.wav" for code in codes for n in range(1, 31))).values()
    assert len(kit) == 160
    for bank in BANKS:
        roles = [kit[f"{bank}{pad}"].split("/")[1].removeprefix("big-") for pad in (1, 2, 3, 4, 5, 10)]
        assert roles == ["bd", "sd", "hh", "oh", "cp", "cr"]
    takes = [int(kit[slot].split("/")[-1].removesuffix(".wav")) for slot in ("A1", "B1", "C1", "D1")]
    assert takes == sorted(takes)
    assert takes[0] == 1


@pytest.mark.parametrize(
    "files",
    [
        [f"Kicks/{n:03}.wav" for n in range(103)],
        [f"808 Kicks/Kick {n}.wav" for n in range(20)],
        [*(f"Snares/Snare {n}.wav" for n in range(20)), "Snares/Rim.wav"],
        [f"Songs/{name}/{n}.wav" for name in ("Kicks", "Snares", "Vocals", "Pads", "Leads", "Keys", "Bass") for n in range(2)],
        [f"Drums/{name} Loops/{name} {n}.wav" for name in ("Kick", "Snare", "Hat") for n in range(4)],
    ],
)
def test_one_instrument_two_drums_among_much_else_and_loops_are_no_kit(files: list[str]) -> None:
    assert not slots(*files, seconds=2.0)
