"""A vault entered by an operator who goes by what was signed: roles, readers and policy are taken from entries, never
from the catalog's derived tables. Whoever enters without a key only reads, and reads the tables.
"""

from collections.abc import Sequence
from dataclasses import replace

from bwc.config import Places, standing_dir
from bwc.custody.grounds import Grounds
from bwc.custody.reading import Reading
from bwc.custody.shelf import LogShelf
from bwc.custody.standing import Standing
from bwc.errors import IntegrityError, PolicyRefuses
from bwc.identities import FIPS_SUITE, Operator, Recipient
from bwc.roles import BODY_READERS, Policy, Role
from bwc.storage.catalog import Catalog
from bwc.storage.rows import OperatorRow, RecipientRow
from bwc.storage.store import Shelf


class Governed(Reading):
    """What is in force for the operator who entered. All of it raises `IntegrityError` when the tables say otherwise."""

    def __init__(self, places: Places, operator: Operator | None) -> None:
        super().__init__(places, operator)
        self._standing: Standing | None = None
        self._truth: Grounds | None = None

    def close(self) -> None:
        """Close the catalog."""
        for one in (self._standing, self._truth):
            if one is not None:
                one.close()
        super().close()

    def _in_force(self, *, whole: bool = False) -> Standing:
        """Who may do what after all entries, those included that others added since the last look; `whole` as `look`."""
        count = self.entries()
        if self._standing is None:
            self._standing = Standing(self._catalog, LogShelf(self._disk), standing_dir(), self.log_origin)
        if self._standing.seen != count or (whole and self._standing.size != count):
            try:
                self._standing.look(count, self.published, whole=whole)
            except IntegrityError:
                self._standing.close()
                self._standing = None  # the next act of this process looks at all of it again, and stops too
                raise
        return self._standing

    def told(self) -> Catalog:
        """All tables as signed entries give them: before anything is erased, for a table may call it replaced or destroyed.

        The first time it raises `IntegrityError` when a table says otherwise. It reads the whole log.
        """
        if self._truth is None:
            self._truth = Grounds(self._catalog, (), self._private)
        return self._truth.look(self._in_force(whole=True))

    def names_to_clear(self) -> dict[Shelf, set[str]]:
        """What no store may keep, by signed entries; a table that names nothing is taken at its word: nothing goes then."""
        known = self._catalog.copies.to_clear()
        return self.told().copies.to_clear() if any(known.values()) else known

    @property
    def policy(self) -> Policy:
        """The policy in force."""
        return super().policy if self.operator is None else self._in_force().truth.policy()

    def operators(self) -> list[OperatorRow]:
        """Every key ever enrolled; look at `is_active`. Names are the catalog's: they are private, and decide nothing."""
        rows = super().operators()
        if self.operator is None:
            return rows
        names = {row.key_id: row.name for row in rows}
        return [replace(row, name=names.get(row.key_id)) for row in self._in_force().operators()]

    def recipients(self) -> list[RecipientRow]:
        """Those to whom things are sealed without being operators."""
        return (self._catalog if self.operator is None else self._in_force().truth).recipients()

    def roles(self) -> frozenset[Role]:
        """The roles of the key that acts; none when it is not enrolled or was revoked."""
        row = self._in_force().truth.find_operator(self.person.key_id)
        return frozenset(map(Role, row.roles)) if row is not None and row.is_active else frozenset()

    def _readers(self, roles: frozenset[Role]) -> list[Recipient]:
        """Today's recipients: enrolled operators with one of `roles`, and the recovery key."""
        known = super().operators() if self.operator is None else self._in_force().operators()
        people = [row.recipient for row in known if row.is_active and roles & row.roles]
        others = [row.recipient for row in self.recipients()]
        found = {one.recipient_id: one for one in [*people, *others]}
        self._check_suites(list(found.values()), self.policy)
        return list(found.values())

    def _check_suites(self, recipients: Sequence[Recipient], policy: Policy) -> None:
        """Raise `PolicyRefuses` when `policy` allows nothing to be sealed to one of them."""
        others = [one for one in recipients if policy.fips and one.suite != FIPS_SUITE]
        if others:
            names = {row.recipient.recipient_id: row.name or row.key_id[:12] for row in self.operators()}
            who = ", ".join(names.get(one.recipient_id, "the recovery key") for one in others)
            raise PolicyRefuses(
                f"the policy fips allows only recipients of {FIPS_SUITE}; not so: {who}",
                "bwc key rotate --suite p384, bwc key recovery new --suite p384, or bwc policy set fips=false",
            )

    def _body_readers_now(self) -> list[Recipient]:
        found = {one.recipient_id: one for one in self._readers(BODY_READERS)}
        mine = [row.recipient for row in self._in_force().operators() if row.key_id == self.person.key_id]
        return list((found | {one.recipient_id: one for one in mine}).values())
