"""Every error a person can meet: message, hint and exit code.

BwcError                         1   anything that failed and has no better name
├ UsageError                     2   the command line or a document given to us is wrong
├ ConfigError                    2   bwc.toml or an environment variable is wrong
├ PartlyDone                     3   some of it worked; what did not is listed
├ NotFound                       4   no such item, key, plan, file
│   └ Disposed                       the item was destroyed by order
├ IntegrityError                 5   tampering, corruption or something missing; nothing else exits 5
│   ├ DigestMismatch                 bytes are not what was recorded
│   ├ SealBroken                     a sealed stream or envelope does not authenticate
│   ├ LogForked                      two histories under one key
│   ├ ProofInvalid                   a signature, inclusion or consistency proof fails
│   └ CheckpointRolledBack           the log is shorter than one already seen
├ LeakFound                      6   the check has open suspects
├ PolicyRefuses                  7   policy or role says no, or not tied to a pinned agency
│   ├ NotApproved · SecondPersonNeeded · NotAllowed · Undecided · PlanStale · HoldInForce · NotPinned · NotDue
│   ├ OtherBuild                      a copy was made by another build of the codecs
│   ├ AnchorTooOld                    the last outside anchor is older than policy allows
│   ├ CopyBehind                      a backup or a further store that lacks the newest entries
├ InUse                          8   another process holds the lock
├ KeyUnavailable                 9   no key, or a wrong passphrase
│   └ KeyServiceRefuses               the service that locks the key file does not open it: credentials, IAM, state of its key
├ NoVault                       10   no vault here
├ StorageError                  11   a store or key service does not answer; may be tried again
│   ├ UploadIncomplete · Unreachable
│   └ JournalUnread                   the catalog's newest rows cannot be read where nothing may be written
├ StoreFull                     12   no space left
├ Interrupted                  130   stopped by the person; run again to continue
└ MediaError                     1   the recording cannot be read or written
    └ UnreadableMedia

`bwc/cli/main.py` is the one place that turns an error into text and an exit code.
"""

from collections.abc import Mapping, Sequence


class BwcError(Exception):
    """Something a person has to know. `message` names the thing; `hint` is something to type."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "", *, details: Sequence[Mapping[str, object]] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details = tuple(details)

    @property
    def name(self) -> str:
        """The stable name used in `--json` output."""
        return type(self).__name__


class UsageError(BwcError):
    exit_code = 2


class ConfigError(BwcError):
    exit_code = 2


class PartlyDone(BwcError):
    """Some of the work is done and kept; `details` lists what is not."""

    exit_code = 3


class NotFound(BwcError):
    exit_code = 4


class Disposed(NotFound):
    """The item was destroyed by order; its entries are left."""


class IntegrityError(BwcError):
    """Evidence, log or release is not what was recorded. Never retried, never swallowed."""

    exit_code = 5


class DigestMismatch(IntegrityError):
    pass


class SealBroken(IntegrityError):
    pass


class LogForked(IntegrityError):
    pass


class ProofInvalid(IntegrityError):
    pass


class CheckpointRolledBack(IntegrityError):
    pass


class LeakFound(BwcError):
    exit_code = 6


class PolicyRefuses(BwcError):
    exit_code = 7


class NotApproved(PolicyRefuses):
    pass


class SecondPersonNeeded(PolicyRefuses):
    pass


class NotAllowed(PolicyRefuses):
    pass


class Undecided(PolicyRefuses):
    pass


class PlanStale(PolicyRefuses):
    pass


class HoldInForce(PolicyRefuses):
    pass


class NotDue(PolicyRefuses):
    """The schedule keeps it."""


class NotPinned(PolicyRefuses):
    """Consistent with itself, but not tied to an agency key the verifier already has."""


class AnchorTooOld(PolicyRefuses):
    """Whole, but what outsiders hold of the log is older than policy allows."""


class CopyBehind(PolicyRefuses):
    """A copy of a log, whole, but of fewer entries than were seen."""


class OtherBuild(PolicyRefuses):
    """Made by another build of the codecs: comparing bytes here would say nothing."""


class InUse(BwcError):
    exit_code = 8


class KeyUnavailable(BwcError):
    exit_code = 9


class KeyServiceRefuses(KeyUnavailable):
    pass


class NoVault(BwcError):
    exit_code = 10


class StorageError(BwcError):
    exit_code = 11


class UploadIncomplete(StorageError):
    pass


class Unreachable(StorageError):
    pass


class JournalUnread(StorageError):
    pass


class StoreFull(BwcError):
    exit_code = 12


class Interrupted(BwcError):
    exit_code = 130


class MediaError(BwcError):
    pass


class UnreadableMedia(MediaError):
    pass
