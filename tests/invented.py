"""The invented releases of ``ontologies/fixtures`` and ways to spoil a copy of them."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

FIXTURES = Path(__file__).parent.parent / "ontologies" / "fixtures"
RF2 = FIXTURES / "rf2" / "SnomedCT_InventedRF2_PRODUCTION_20250101T120000Z"
RF2_EXTENSION = FIXTURES / "rf2" / "SnomedCT_InventedExtensionRF2_PRODUCTION_20250301T120000Z"
UMLS = FIXTURES / "umls"
CLAML = FIXTURES / "claml" / "icd10invented2025en.xml"

ROOT, FINDING, SITE, VELMORA = "10019999999102", "10029999999109", "10039999999106", "10049999999101"
LUMENEL, VELMORA_LUMENELITIS, ACUTE, ANEMIA = "10059999999103", "10069999999100", "10079999999108", "10089999999105"
OLD_SAME, OLD_CHAIN, OLD_MAYBE, OLD_MOVED = "10109999999103", "10119999999101", "10129999999108", "10139999999105"
OLD_WAS, OLD_NONE, NAMESPACE = "10149999999100", "10159999999102", "10169999999104"
COASTAL, FRENCH = "10029999998100", "10049999998105"
US, GB = "900000000000509007", "900000000000508004"


def copied(release: Path, folder: Path) -> Path:
    """A copy of a release that a test may change."""
    return Path(shutil.copytree(release, folder / release.name))


def file_of(release: Path, name: str) -> Path:
    """The one file whose name starts so."""
    (found,) = [path for path in release.rglob(f"{name}*") if path.is_file()]
    return found


def spoiled(release: Path, name: str, old: bytes, new: bytes) -> Path:
    """The same folder with the first ``old`` in a file replaced; it has to be there."""
    path = file_of(release, name)
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new, 1))
    return release


def zipped(release: Path, path: Path, extra: dict[str, bytes] | None = None) -> Path:
    """A zip of a folder with further members."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for file in sorted(release.rglob("*")):
            if file.is_file():
                packed.write(file, f"{release.name}/{file.relative_to(release).as_posix()}")
        for name, content in (extra or {}).items():
            packed.writestr(name, content)
    return path
