from __future__ import annotations

import zipfile
from pathlib import Path

import polars as pl
import pytest

from conceptmap.errors import ReaderError
from conceptmap.ontology.ontology import Ontology
from conceptmap.readers import load_ontology
from conceptmap.readers.icd10cm import read_embedded, read_icd10cm
from conceptmap.readers.tables import ReadReport

FOLDER = Path(__file__).parents[1] / "ontologies" / "fixtures" / "icd10cm"
TABULAR = FOLDER / "icd10cm_tabular_2099.xml"
ORDER = FOLDER / "icd10cm_order_2099.txt"


@pytest.fixture(scope="module")
def whole() -> Ontology:
    return load_ontology(FOLDER)


@pytest.fixture(scope="module")
def tabular() -> Ontology:
    return load_ontology(TABULAR)


def rows(ontology: Ontology, code: str, frame: str) -> list[tuple[str, str]]:
    """Kind and text of a node's rows in terms or notes."""
    found = getattr(ontology, frame).filter(pl.col("node") == code)
    return list(found.select("kind", "term" if frame == "terms" else "text").iter_rows())


def test_kinds_and_billable_codes(whole: Ontology) -> None:
    facts = {
        node: (kind, billable) for node, kind, billable in whole.concepts.select("node", "kind", "billable").iter_rows()
    }
    assert facts["1"] == ("chapter", None)
    assert facts["A00-A09"] == facts["block:B20"] == ("block", None)
    assert facts["A00"] == ("category", False)
    assert facts["B20"] == ("category", True)
    assert facts["A00.0"] == ("code", True)
    assert facts["S10.0"] == ("subcategory", False)
    assert facts["S10.0XXA"] == ("code", True)
    leaves = {node for node in whole.nodes if not whole.children(node)}
    assert set(whole.concepts.filter("billable")["node"]) == leaves - {"C00-C96"}
    assert whole.concepts["active"].all()


def test_a_block_of_one_category_stands_above_it(whole: Ontology) -> None:
    assert whole.parents("B20") == {"block:B20"}
    assert whole.parents("block:B20") == {"1"}
    assert whole.name("B20") == "Sound fever"
    assert whole.concepts.filter(pl.col("node") == "block:B20")["code"].to_list() == ["B20"]


def test_blocks_without_categories_hold_those_within_their_range(whole: Ontology) -> None:
    assert whole.parents("C00-C14") == {"C00-C96"}
    assert whole.parents("block:C7B") == {"C00-C96"}
    assert whole.parents("C00-C96") == whole.parents("A00-A09") == {"1"}


def test_titles_and_inclusions_are_terms_and_instructions_are_remarks(whole: Ontology) -> None:
    assert rows(whole, "A00", "terms")[:2] == [("preferred", "Blue fever"), ("includes", "cerulean fever")]
    assert rows(whole, "A00.0", "terms")[:2] == [
        ("preferred", "Blue fever due to woad"),
        ("inclusion", "Dyer's fever"),
    ]
    assert rows(whole, "1", "terms") == [
        ("preferred", "Invented fevers and growths (A00-C7B)"),
        ("includes", "fevers of any invented colour"),
    ]
    assert rows(whole, "1", "remarks") == [("excludes2", "injuries by invented things (S00-T07)")]
    assert rows(whole, "A00-A09", "remarks") == [("excludes1", "sound fevers (B20)")]
    assert rows(whole, "A00", "remarks") == [("use_additional", "code to identify the shade (A01.-)")]
    assert rows(whole, "A00.9", "remarks") == [
        ("code_first", "underlying dye, such as:"),
        ("code_first", "indigo (A01.1)"),
    ]
    assert [kind for kind, _ in rows(whole, "A01", "remarks")] == ["code_also", "note"]
    assert [kind for kind, _ in rows(whole, "S10", "remarks")] == ["seventh_character"]


def test_seventh_characters_come_from_the_nearest_definition(tabular: Ontology) -> None:
    assert tabular.children("S10.0") == {"S10.0XXA", "S10.0XXD", "S10.0XXS"}
    assert tabular.children("S10.111") == {"S10.111B"}
    assert tabular.children("S10.112") == {"S10.112A", "S10.112D", "S10.112S"}
    assert tabular.children("T07") == {"T07.XXXA"}
    assert tabular.name("S10.0XXD") == "Fracture of clear glass bone, subsequent encounter"
    assert rows(tabular, "S10.111B", "remarks") == [("includes", "with solder")]
    assert not tabular.children("A01.1X1")


def test_expansions_have_no_terms_but_edges_and_names(tabular: Ontology) -> None:
    expanded = tabular.concepts.filter("expanded")["node"].to_list()
    assert len(expanded) == 8
    assert not set(expanded) & set(tabular.terms["node"])
    assert set(tabular.nodes) - set(expanded) == set(tabular.terms["node"])
    assert set(expanded) <= set(tabular.edges["child"])


def with_codes(name: str, codes: str, folder: Path) -> Path:
    """A release whose code list is of that name and says that."""
    (folder / TABULAR.name).write_bytes(TABULAR.read_bytes())
    (folder / name).write_bytes(b"\xef\xbb\xbf" + codes.encode())
    return folder


@pytest.mark.parametrize("name", ["icd10cm_codes_2099.txt", "code-list-2099.txt"])
def test_a_code_list_decides_which_expansions_exist(
    name: str, whole: Ontology, tabular: Ontology, tmp_path: Path
) -> None:
    assert set(tabular.nodes) - set(whole.nodes) == {"S10.112S"}
    codes = (
        "A000\nA009 Blue fever\r\n\nA01.1X1\nA011X2\nB20\nC000\nC7B1\nT07XXXA\nS10112D\nS10.111B\nS100XXS  Fracture\n"
    )
    ontology = load_ontology(with_codes(name, codes, tmp_path))
    assert ontology.children("S10.0") == {"S10.0XXS"}
    assert ontology.children("S10.112") == {"S10.112D"}


def test_a_code_list_of_another_release_is_refused(tmp_path: Path) -> None:
    folder = with_codes("icd10cm_codes_2099.txt", "A000\nS100XXA\n", tmp_path)
    with pytest.raises(
        ReaderError, match=r"9 codes of the tabular list are not in the code list: got A00\.9, A01\.1X1"
    ):
        load_ontology(folder)
    (tmp_path / "icd10cm_tabular_2098.xml").write_bytes(TABULAR.read_bytes())
    with pytest.raises(ReaderError, match=r"several releases: got icd10cm_tabular_2098\.xml, icd10cm_tabular_2099"):
        load_ontology(folder)


def test_a_code_list_with_other_lines_is_named_with_its_line(tmp_path: Path) -> None:
    folder = with_codes("icd10cm_codes_2099.txt", "A000 Blue fever\n\n- A009\n", tmp_path)
    with pytest.raises(ReaderError, match=r"icd10cm_codes_2099\.txt, line 3: no ICD-10-CM code at its start"):
        load_ontology(folder)


def test_lines_that_cannot_be_read_are_listed_when_lenient(whole: Ontology, tmp_path: Path) -> None:
    report = ReadReport()
    lines = ORDER.read_text(encoding="utf-8")
    order = tmp_path / ORDER.name
    order.write_text(f"{lines}an order file has no such line\n{lines.splitlines()[0]}\n", encoding="utf-8")
    lenient = load_ontology(order, strict=False, report=report)
    assert lenient.concepts.equals(load_ontology(ORDER).concepts)
    reasons = [row.reason.split()[0] for row in report.malformed]
    assert (report.n_malformed, reasons) == (2, ["not", lines[6:13].strip()])
    billable = whole.concepts.filter("billable")["code"].str.replace(".", "", literal=True)
    report, folder = ReadReport(), tmp_path / "coded"
    folder.mkdir()
    with_codes("icd10cm_codes_2099.txt", "\n".join([*billable, "- nothing"]), folder)
    assert load_ontology(folder, strict=False, report=report).concepts.height == whole.concepts.height
    assert [row.line for row in report.malformed] == [len(billable) + 1]


def test_the_placeholder_level_is_marked(whole: Ontology) -> None:
    assert whole.concepts.filter("placeholder")["node"].to_list() == ["A01.1X"]


def test_a_zip_reads_like_its_folder(whole: Ontology, tmp_path: Path) -> None:
    path = tmp_path / "2099 Code Tables.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for file in FOLDER.iterdir():
            packed.write(file, f"Table and Index/{file.name}")
        packed.writestr("Table and Index/icd10cm_tabular_addenda_2099.xml", "not this one")
    zipped = load_ontology(path)
    for frame in ("concepts", "terms", "edges", "remarks"):
        assert getattr(zipped, frame).equals(getattr(whole, frame)), frame


# -- order file -------------------------------------------------------------------------------------------------------


def test_the_order_file_alone_gives_the_same_codes(whole: Ontology) -> None:
    order = load_ontology(ORDER)
    columns = ["node", "code", "kind", "name", "billable", "expanded"]
    codes = whole.concepts.filter(~pl.col("kind").is_in(["chapter", "block"]))
    assert order.concepts.select(columns).equals(codes.select(columns))
    kept = whole.edges.join(order.concepts, left_on="parent", right_on="node", how="semi")
    # The order file shows no level that a tabular list marks as a placeholder only, so A01.1X keeps its own.
    assert set(order.edges.iter_rows()) == set(kept.select("parent", "child").iter_rows())
    assert order.release == "2099"
    assert order.remarks is None


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("00026 T07XXXB 2 x", "line 26: not a line of an order file"),
        ("00026 A00     0 " + "Blue fever".ljust(60) + " Blue fever", "line 26: A00 again"),
    ],
)
def test_a_bad_order_file_is_named_with_its_line(line: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / ORDER.name
    path.write_bytes(ORDER.read_bytes() + line.encode() + b"\r\n")
    with pytest.raises(ReaderError, match=message):
        load_ontology(path)


def test_an_old_order_file_in_windows_code_page_is_read(tmp_path: Path) -> None:
    path = tmp_path / "icd10cm_order_2014.txt"
    path.write_bytes(f"00001 A00     1 {'Sjögren'.ljust(60)} Sjögren\r\n".encode("cp1252"))
    assert load_ontology(path).name("A00") == "Sjögren"


# -- alphabetic index -------------------------------------------------------------------------------------------------


def index_rows(ontology: Ontology) -> set[tuple[str, str, str, int]]:
    found = ontology.terms.filter(pl.col("kind").is_in(["index", "manifestation"]))
    return set(found.select("code", "term", "kind", "level").iter_rows())


def test_index_entries_are_terms_in_the_order_of_running_text(whole: Ontology) -> None:
    assert index_rows(whole) >= {
        ("A00.9", "Fever", "index", 0),
        ("A00.9", "blue fever", "index", 1),
        ("A00.9", "blue fever with shade", "index", 3),
        ("A01", "blue fever with shade", "manifestation", 3),
        ("A00.0", "Woad sickness", "index", 0),  # see Fever, blue, due to woad
        ("B20", "humming fever", "index", 1),  # below a note heading
        ("S10", "glass bone fracture", "index", 1),
        ("S10.112", "stained left glass bone fracture", "index", 2),
        ("C00", "malignant neoplasm of unspecified site", "index", 0),
        ("C00.0", "malignant neoplasm of paper", "index", 1),
        ("C7B.1", "secondary malignant neoplasm of paper", "index", 1),
        ("A01.1X1", "poisoning by Woad", "index", 0),
        ("A01.1X2", "intentional self-poisoning by Woad", "index", 0),
        ("A00.0", "adverse effect of Woad", "index", 0),
    }


def test_an_entry_of_a_seventh_character_goes_to_the_code_it_extends(whole: Ontology) -> None:
    assert {code for code, term, *_ in index_rows(whole) if "sequela" in term} == {"S10.0"}


def test_what_the_index_leaves_out_is_counted() -> None:
    report = ReadReport()
    read_icd10cm(FOLDER, report=report)
    assert report.left_out == {
        "index entries that refer to none that has a code": 1,
        "index entries with a code that the tabular list does not hold": 1,
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<ICD10CM.index>\n<version>1</version></ICD10CM.index>", "is no ICD-10-CM alphabetic index"),
        (
            b"<ICD10CM.index>\n<letter>\n<mainTerm><code>A00</code></mainTerm></letter></ICD10CM.index>",
            "icd10cm_index_2099.xml, line 3: a main term without a title",
        ),
    ],
)
def test_a_bad_index_is_named_with_its_line(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / TABULAR.name).write_bytes(TABULAR.read_bytes())
    (tmp_path / "icd10cm_index_2099.xml").write_bytes(content)
    with pytest.raises(ReaderError, match=message):
        load_ontology(tmp_path)


# -- malformed tabular lists ------------------------------------------------------------------------------------------


def changed(old: str, new: str, folder: Path) -> Path:
    text = TABULAR.read_text(encoding="utf-8")
    assert text.count(old) >= 1
    path = folder / TABULAR.name
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("<desc>Blue fever</desc>", "", r"icd10cm_tabular_2099\.xml, line 28: A00 has no <desc>"),
        ("<name>A00</name>", "<name> </name>", r"icd10cm_tabular_2099\.xml, line 28: a <diag> without a code"),
        ('<section id="B20">', "<section>", r"icd10cm_tabular_2099\.xml, line 78: a <section> without a code"),
        ('<extension char="A">', "<extension>", r"line 129: a 7th character without its char or meaning"),
        ("<name>A00.9</name>", "<name>A00.0</name>", r"1 nodes stand on several rows of concepts: got A00\.0"),
        ("</chapter>", "", r"icd10cm_tabular_2099\.xml, line \d+: not well-formed XML: got mismatched tag"),
        ("<ICD10CM.tabular>", "<ICD10PCS.tabular>", "line 166: not well-formed XML"),
        ("<version>2099</version>", "<version>&quot;</version>\x00", "line 3: not well-formed XML"),
    ],
)
def test_a_bad_tabular_list_is_named_with_its_line(old: str, new: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ReaderError, match=message):
        load_ontology(changed(old, new, tmp_path))


def test_other_xml_is_refused(tmp_path: Path) -> None:
    path = tmp_path / TABULAR.name
    path.write_text("<html/>", encoding="utf-8")
    with pytest.raises(ReaderError, match=r"got <html>, expected <ICD10CM\.tabular>"):
        load_ontology(path)
    (tmp_path / "other.xml").write_text("<html/>", encoding="utf-8")
    with pytest.raises(ReaderError, match=r"holds no release of a known format: got other\.xml"):
        load_ontology(tmp_path / "other.xml")


@pytest.mark.parametrize(
    "prologue",
    [
        '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>',
        '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/hostname">]>',
        '<!DOCTYPE x [<!ENTITY % a SYSTEM "http://localhost:1/x.dtd"> %a;]>',
    ],
)
def test_entities_are_refused_whatever_they_hold(prologue: str, tmp_path: Path) -> None:
    path = changed("<ICD10CM.tabular>", f"{prologue}<ICD10CM.tabular>", tmp_path)
    with pytest.raises(ReaderError, match=r"line 2: an entity declaration: got [ab], expected XML without entities"):
        load_ontology(path)


def test_the_release_is_the_date_of_the_file_name_or_the_version(tmp_path: Path) -> None:
    path = tmp_path / "icd10c-tabular-April-1-2099.xml"
    path.write_bytes(TABULAR.read_bytes())
    assert load_ontology(path).release == "2099-04-01"
    assert load_ontology(path, release="mine").release == "mine"
    assert load_ontology(TABULAR).release == "2099"


# -- the embedded release ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def embedded() -> Ontology:
    return read_embedded()


def test_the_embedded_release_has_every_node_of_the_library_that_carries_it(embedded: Ontology) -> None:
    """simple_icd_10_cm counts 98,505 entries: 22 chapters, 297 sections, 46,881 diags, 51,305 expansions."""
    assert embedded.concepts["kind"].value_counts().sort("kind").rows() == [
        ("block", 297),
        ("category", 1_918),
        ("chapter", 22),
        ("code", 74_505),
        ("subcategory", 21_763),
    ]
    assert embedded.concepts["expanded"].sum() == 51_305
    assert embedded.concepts["billable"].sum() == 74_719
    assert embedded.concepts["code"].n_unique() == 98_505 - 39  # blocks that share the code of their only category
    assert embedded.release == "2026-04-01"
    assert embedded.terms["kind"].value_counts().sort("kind").rows() == [
        ("includes", 1_024),
        ("inclusion", 12_574),
        ("preferred", 47_200),
    ]


def test_known_places_in_the_embedded_release(embedded: Ontology) -> None:
    assert embedded.name("S42.251A") == (
        "Displaced fracture of greater tuberosity of right humerus, initial encounter for closed fracture"
    )
    assert embedded.ancestors("E11.9") == {"E11", "E08-E13", "4"}
    assert embedded.ancestors("C50.011") == {"C50.01", "C50.0", "C50", "block:C50", "C00-C75", "C00-C96", "2"}
    assert embedded.node("t07xxxa") == "T07.XXXA"
    assert embedded.lowest_common_ancestors("E11.9", "E10.9") == {"E08-E13"}
    assert not embedded.remarks.filter((pl.col("node") == "H54.8") & (pl.col("kind") == "table")).is_empty()  # type: ignore[union-attr]


def test_the_embedded_release_is_read_without_running_the_library() -> None:
    import subprocess
    import sys

    code = "import sys; from conceptmap.readers import load_ontology; load_ontology('icd10cm'); assert "
    code += "not {'simple_icd_10_cm', 'networkx', 'torch'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
