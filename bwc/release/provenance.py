"""Which log entries go into a package so that an outsider sees who published, who approved and who enrolled them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from bwc.audit.event import Entry
from bwc.errors import IntegrityError
from bwc.evidence import EventKind, KeyId
from bwc.identities import PublicKey
from bwc.release.package import Proven


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """What `ReleaseFacts` needs: the keys that signed, and the entries with their proofs, in log order."""

    keys: tuple[PublicKey, ...]
    proven: tuple[Proven, ...]


def gather(
    *,
    publishers: Iterable[KeyId],
    approvals: Sequence[Entry],
    enrolments: Sequence[Entry],
    proof: Callable[[int], bytes],
) -> Provenance:
    """The provenance of a release that `publishers` are about to sign.

    `enrolments` are all `vault.created` and `key.enrolled` entries of the log; `proof` gives the tlog-proof of an
    entry number under the published checkpoint. Raises `IntegrityError` if a signer was never enrolled.
    """
    needed = {*publishers, *(key for entry in approvals for key in entry.signers)}
    keys: dict[str, PublicKey] = {}
    entries: list[tuple[str, Entry]] = [("approval", entry) for entry in approvals]
    # From the last to the first: whoever enrols somebody was enrolled before. The first entry founds the log.
    for entry in sorted(enrolments, key=lambda entry: entry.seq, reverse=True):
        key = PublicKey.from_json(entry.facts.get("operator"))
        if key.key_id in needed or entry.kind == EventKind.VAULT_CREATED:
            keys[key.key_id] = key
            needed.update(entry.signers)
            entries.append(("enrolment", entry))
    if unknown := sorted(needed - keys.keys()):
        raise IntegrityError(f"no entry enrols {unknown[0]}")
    entries.sort(key=lambda pair: pair[1].seq)
    return Provenance(
        keys=tuple(keys[name] for name in sorted(keys)),
        proven=tuple(Proven(why=why, entry=entry.raw, proof=proof(entry.seq)) for why, entry in entries),
    )
