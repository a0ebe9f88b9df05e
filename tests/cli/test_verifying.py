"""What `bwc verify` tells people of a package: each thing that is wrong, not only the first."""

from bwc.cli.verifying import _package_text
from bwc.errors import DigestMismatch
from bwc.verifier.package_report import Finding, PackageReport, Result, Step, Verdict


def report(findings: int) -> PackageReport:
    wrong = tuple(Finding(step=6, thing=f"{n}.mp4", error=DigestMismatch("is missing")) for n in range(findings))
    steps = (Step(number=6, title="every file is what release.json says", result=Result.BAD),)
    return PackageReport(verdict=Verdict.BAD, steps=steps, findings=wrong, release=None, fingerprint="9ad9", tied_to="")


def test_findings_are_named_and_of_many_the_first_unless_all_are_asked_for() -> None:
    assert "  bad: step 6: 1.mp4: is missing" in _package_text(report(2), verbose=False).splitlines()
    short = _package_text(report(9), verbose=False).splitlines()
    assert sum("is missing" in line for line in short) == 5
    assert "  bad: and 4 more; -v shows all" in short
    full = _package_text(report(9), verbose=True).splitlines()
    assert sum("is missing" in line for line in full) == 9
    assert not any("more" in line for line in full)
