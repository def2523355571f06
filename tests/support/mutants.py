"""Damage audio files at random, and the texts that may be said of them."""

import random

TEXTS = ("Failed to load audio: ", "Unsupported format: ", "Duration too short: ", "Duration too long: ")
EXTREMES = (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\x80", b"\x01\0\0\0")
MAGICS = (
    b"RIFF\xff\xff\xff\x7fWAVEfmt ",
    b"RIFX\0\0\0\xffWAVEfmt ",
    b"RF64\xff\xff\xff\xffWAVEds64",
    b"FORM\0\0\xff\xffAIFFCOMM",
    b"FORM\0\0\xff\xffAIFCFVER",
    b"fLaC\0\0\0\x22",
    b"OggS\0\x02",
    b"caff\0\x01\0\0desc",
    b".snd\0\0\0\x18",
    b"wvpk",
    b"\0\0\0\x18ftypM4A ",
    b"\xff\xfb\x90\x64",
    b"\xff\xf1\x50\x80",
    b"ID3\x04\0\0\0\0\0\x0a",
    b"riff\x2e\x91\xcf\x11",
    b"\0\x05\x16\x07",
)


def mutate(whole: bytes, rng: random.Random) -> bytes:
    """Flip bits, cut, set a header field to an extreme, write noise, drop bytes, add bytes: some of these."""
    data = bytearray(whole)
    head = min(len(data), 160)
    for _ in range(rng.choice((1, 1, 2, 5))):
        match rng.randrange(7):
            case 0:
                for _ in range(rng.choice((1, 8, 60))):
                    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
            case 1:
                for _ in range(rng.choice((1, 3))):
                    data[rng.randrange(min(head, len(data)))] ^= 1 << rng.randrange(8)
            case 2:
                del data[rng.randrange(1, len(data)) :]
            case 3:
                at = rng.randrange(min(head, len(data)))
                data[at : at + 4] = rng.choice(EXTREMES)
            case 4:
                at = rng.randrange(len(data))
                data[at : at + 200] = rng.randbytes(min(200, len(data) - at))
            case 5:
                at = rng.randrange(len(data))
                del data[at : at + rng.choice((1, 4, 100))]
            case 6:
                at = rng.randrange(len(data))
                data[at:at] = rng.randbytes(rng.choice((1, 4, 100)))
        if not data:
            return b"\0"
    return bytes(data)
