"""Cards: any two give the key, one gives nothing, a wrong word is named, other people's code agrees."""

from itertools import combinations

import pytest
import shamir_mnemonic
from hypothesis import given, settings
from hypothesis import strategies as st

from bwc import paperkey, shares
from bwc.errors import KeyUnavailable, UsageError
from bwc.identities import FIPS_SUITE, RecoveryKey

TEXT = paperkey.to_text(bytes(range(32)))


def test_any_two_of_three_cards_give_the_key_and_one_gives_nothing() -> None:
    cards = shares.split(TEXT)
    assert len(set(cards)) == 3
    for two in combinations(cards, 2):
        assert shares.combine(two) == TEXT
    assert shares.combine([cards[2], cards[0]]) == TEXT
    for one in cards:
        with pytest.raises(KeyUnavailable, match=r"cards give no|two different"):
            shares.combine([one])
        with pytest.raises(KeyUnavailable):
            shares.combine([one, one])


def test_one_card_fits_every_key() -> None:
    """What one card says is as likely under any other key: a second card can be found that makes it 32 zero bytes."""
    from shamir_mnemonic.shamir import RawShare, _interpolate  # the polynomial over GF(256) itself

    held = RawShare(0, bytes(range(34)))
    for wanted in (bytes(34), b"\xff" * 34, bytes(reversed(range(34)))):
        other = RawShare(1, _interpolate([held, RawShare(255, wanted)], 1))
        assert _interpolate([held, other], 255) == wanted


@settings(max_examples=10, deadline=None)
@given(st.binary(min_size=32, max_size=32), st.sampled_from(paperkey.VERSIONS))
def test_every_key_survives_the_cards(seed: bytes, version: int) -> None:
    text = paperkey.to_text(seed, version)
    assert shares.combine(shares.split(text)[1:]) == text
    assert shares.combine(shares.split(text, needed=3, cards=5)[2:]) == text


def test_a_wrong_word_is_named_by_its_card() -> None:
    cards = shares.split(TEXT)
    words = cards[1].split()
    for place in (4, 12, len(words) - 1):
        other = [*words[:place], "academic" if words[place] != "academic" else "acid", *words[place + 1 :]]
        with pytest.raises(KeyUnavailable, match="card 2"):
            shares.combine([cards[0], " ".join(other)])
    for broken in (" ".join(words[:-1]), "", "no such words at all", cards[1].replace(words[9], "zzz")):
        with pytest.raises(KeyUnavailable, match="card 2"):
            shares.combine([cards[0], broken])


def test_cards_of_two_splits_do_not_mix() -> None:
    with pytest.raises(KeyUnavailable):
        shares.combine([shares.split(TEXT)[0], shares.split(TEXT)[1]])


def test_a_printed_card_is_read_back() -> None:
    (words, *_) = shares.split(TEXT)
    card = shares.card_text(words, number=1, cards=3, needed=2, of="Springfield PD", made_on="2026-11-28")
    assert shares.words_of(card) == words
    assert shares.words_of(words.upper().replace(" ", "\n")) == words
    assert all(len(line) <= 120 for line in card.splitlines())


def test_the_words_are_those_of_slip_39() -> None:
    """The first published vectors of SLIP-0039 (vectors.json, 2 of 3 and one with a broken checksum)."""
    one = "shadow pistol academic always adequate wildlife fancy gross oasis cylinder mustang wrist rescue view short owner flip making coding armed"
    two = "shadow pistol academic acid actress prayer class unknown daughter sweater depict flip twice unkind craft early superior advocate guest smoking"
    assert shamir_mnemonic.combine_mnemonics([one, two], b"TREZOR").hex() == "b43ceb7e57a0ea8766221624d01b0864"
    made = shamir_mnemonic.combine_mnemonics(shares.split(TEXT)[:2], b"")
    assert made == b"\x00\x01" + bytes(range(32))
    with pytest.raises(KeyUnavailable, match="another secret"):
        shares.combine([shamir_mnemonic.generate_mnemonics(1, [(1, 1)], bytes(32), b"")[0][0]])


@pytest.mark.parametrize(("needed", "cards"), [(1, 3), (3, 2), (0, 0), (2, 17)])
def test_a_split_that_protects_nothing_is_refused(needed: int, cards: int) -> None:
    with pytest.raises(UsageError):
        shares.split(TEXT, needed=needed, cards=cards)


def test_a_recovery_key_of_p384_is_made_as_rfc_9180_says() -> None:
    from pyhpke import AEADId, CipherSuite, KDFId, KEMId

    suite = CipherSuite.new(KEMId.DHKEM_P384_HKDF_SHA384, KDFId.HKDF_SHA384, AEADId.AES256_GCM)
    pair = suite.kem.derive_key_pair(bytes(range(32)))
    key = RecoveryKey.parse(paperkey.to_text(bytes(range(32)), 2))
    assert key.recipient.suite == FIPS_SUITE
    assert key.recipient.public == pair.public_key.to_public_bytes()
    assert RecoveryKey.generate(FIPS_SUITE).startswith("BWC-RECOVERY-2-")
