"""A recovery key split over cards: any two of three give it back, one alone gives nothing (SLIP-0039 words).

The words are those of hardware wallets, each card with a checksum of its own, so that another program can put them
together too. Bytes: docs/formats/keys.md#cards; why this way: docs/decisions/recovery-cards.md.
"""

import re
from collections.abc import Sequence

from bwc import paperkey
from bwc.errors import KeyUnavailable, UsageError

NEEDED, CARDS = 2, 3
_WORDS_BEGIN, _WORDS_END = "--- words ---", "--- end of words ---"
_COLUMNS = 5


def split(text: str, *, needed: int = NEEDED, cards: int = CARDS) -> list[str]:
    """The words of `cards` cards for the recovery key in `text`; any `needed` of them give it back."""
    import shamir_mnemonic as slip39

    if not 2 <= needed <= cards <= 16:
        raise UsageError(f"{needed} of {cards} cards is no split", "2 to 16 cards, at least 2 of them needed")
    seed, version = paperkey.from_text(text)
    # iteration exponent 0: the words protect 256 random bits, there is no passphrase to slow down guessing of
    (made,) = slip39.generate_mnemonics(
        1, [(needed, cards)], version.to_bytes(2, "big") + bytes(seed), b"", iteration_exponent=0
    )
    return list(made)


def combine(cards: Sequence[str]) -> str:
    """The recovery key's text from the words of enough cards. Raises `KeyUnavailable`, naming the card at fault."""
    import shamir_mnemonic as slip39

    for number, words in enumerate(cards, 1):
        try:
            slip39.Share.from_mnemonic(words)
        except (slip39.MnemonicError, ValueError) as error:
            raise KeyUnavailable(f"card {number} of those given: {_plain(error)}", "compare each word") from error
    try:
        secret = slip39.combine_mnemonics(list(cards), b"")
    except (slip39.MnemonicError, ValueError) as error:
        raise KeyUnavailable(f"these cards give no recovery key: {_plain(error)}", "two different cards") from error
    version = int.from_bytes(secret[:2], "big")
    if len(secret) != 34 or version not in paperkey.VERSIONS:
        raise KeyUnavailable("these cards hold another secret than a recovery key")
    return paperkey.to_text(secret[2:], version)


def card_text(words: str, *, number: int, cards: int, needed: int, of: str, made_on: str) -> str:
    """One card, to print."""
    numbered = [f"{place:2} {word:<10}" for place, word in enumerate(words.split(), 1)]
    rows = ["  ".join(numbered[at : at + _COLUMNS]).rstrip() for at in range(0, len(numbered), _COLUMNS)]
    return "\n".join(
        [
            f"RECOVERY CARD {number} OF {cards}",
            of,
            f"made on {made_on}",
            "",
            f"Any {needed} of the {cards} cards give the key that opens everything; one alone gives nothing.",
            "Each card belongs to another person, in another place. Copy the words exactly.",
            "",
            _WORDS_BEGIN,
            *rows,
            _WORDS_END,
            "",
            "To use it: type the words of two cards into two files, then",
            "  bwc key recovery combine ONE.txt OTHER.txt --out recovery.txt",
            "",
        ]
    )


def words_of(text: str) -> str:
    """The words in a card's text, or in a file that holds only them; numbers and layout do not matter."""
    inside = text.partition(_WORDS_BEGIN)[2].partition(_WORDS_END)[0] if _WORDS_BEGIN in text else text
    return " ".join(re.findall(r"[a-z]+", inside.lower()))


def _plain(error: Exception) -> str:
    text = str(error).strip().rstrip(".")
    return text[:1].lower() + text[1:]
