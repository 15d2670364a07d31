"""The pages as a site: ``make docs`` puts it into build/docs/site, from what stands in the repository.

Pages are staged beside each other as they lie in the repository, so that their links hold there and here. Added is
what only the program knows, the reference of the public names and of the commands, and the notebooks as they were kept.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import conceptmap
from conceptmap.cli import _parser

ROOT = Path(__file__).parents[1]
PAGES = (
    "*.md",
    "LICENSE",
    "benchmarks/*.md",
    "benchmarks/*.svg",
    "conceptmap/data/*.md",
    "docs/**/*",
    "notebooks/*.md",
    "ontologies/*.md",
)
NAMES = {
    "Notes and their codes": ("ConceptMapper", "AnnotatedNote", "read_notes", "ConceptMapError"),
    "Ontologies": ("load_ontology", "Ontology", "roll_up", "Scope", "Similarity", "map_codes", "trace_maps"),
    "Indexes and encoders": ("ConceptIndex", "load_encoder", "TokenEncoder", "TokenEmbeddings"),
    "Plots": ("plot_codes", "plot_chapters", "plot_tokens"),
}
"""The public names by subject; those named nowhere here come last."""
FOREIGN = ("http", "https", "mailto")


def stage(folder: Path) -> None:
    """Lay out what the site is made of: its settings, the pages under ``src``."""
    source = folder / "src"
    shutil.rmtree(source, ignore_errors=True)
    for pattern in PAGES:
        for path in filter(Path.is_file, ROOT.glob(pattern)):
            target = source / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    (source / "docs" / "commands.md").write_text(commands_page(), encoding="utf-8")
    (source / "docs" / "names.md").write_text(names_page(), encoding="utf-8")
    stage_notebooks(source / "notebooks")
    (folder / "zensical.toml").write_text(settings(source), encoding="utf-8")


def settings(source: Path) -> str:
    """The settings with every page of the source in the navigation."""
    text = (source / "docs" / "zensical.toml").read_text(encoding="utf-8").replace("@ROOT@", ROOT.as_posix())
    text = re.sub(
        r'^( *)"([\w/]+)/\*\.md",\n', lambda found: _lines(found[1], _pages(source, found[2])), text, flags=re.MULTILINE
    )
    rest = sorted({path.relative_to(source).as_posix() for path in source.rglob("*.md")} - named_pages(text))
    return text.replace("@REST@", f'  {{ "More" = [\n{_lines("    ", rest)}  ] }},\n' if rest else "")


def named_pages(text: str) -> set[str]:
    """The pages that settings name."""
    return set(re.findall(r'"([^"]+\.md)"', text))


def _pages(source: Path, folder: str) -> list[str]:
    """The pages of a folder, the one that leads into it first."""
    pages = [path.relative_to(source).as_posix() for path in (source / folder).glob("*.md")]
    return sorted(pages, key=lambda page: (not page.endswith("README.md"), page))


def _lines(indent: str, pages: Iterable[str]) -> str:
    return "".join(f'{indent}"{page}",\n' for page in pages)


def build(folder: Path) -> Path:
    """The folder of the site, made anew; what is wrong with links within it is an error."""
    stage(folder)
    shutil.rmtree(folder / "site", ignore_errors=True)
    tool = Path(sys.executable).with_name("zensical")
    done = subprocess.run(
        [tool, "build", "--clean", "--strict"], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        said, _, _ = re.sub(r"\x1b\[[\d;]*m", "", done.stdout + done.stderr).partition("Traceback")
        raise SystemExit(said)
    return folder / "site"


def names_page() -> str:
    """The reference of the public names; their docstrings are read when the site is built."""
    grouped = {name for names in NAMES.values() for name in names}
    others = [name for name in conceptmap.__all__ if name not in grouped and name != "__version__"]
    parts = ["# The public names\n\nWhat `conceptmap.__all__` lists. Everything else may move.\n"]
    for title, names in {**NAMES, "Others": tuple(others)}.items():
        if names:
            parts.append(f"\n## {title}\n" + "".join(f"\n::: conceptmap.{name}\n" for name in names))
    return "".join(parts)


def commands_page() -> str:
    """The reference of the commands, from the parser that reads them."""
    parser = _parser()
    (commands,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    about = {choice.dest: choice.help or "" for choice in commands._choices_actions}
    listed = "".join(f"| [`{name}`](#{name}) | {cell(about[name])} |\n" for name in commands.choices)
    parts = [f"# The commands\n\n{parser.epilog}.\n\n| command | does |\n|---|---|\n{listed}"]
    parts += [command_section(name, command) for name, command in commands.choices.items()]
    return "".join(parts)


def command_section(name: str, command: argparse.ArgumentParser) -> str:
    """A command with its arguments and options, a row each."""
    needed = [ways(one)[0] for one in command._actions if one.required or not one.option_strings]
    typed = " ".join(["conceptmap", name, *needed, "[OPTIONS]"])
    parts = [f"\n## {name}\n\n{command.description or ''}\n\n```text\n{typed}\n```\n"]
    for group in command._action_groups:
        options = [one for one in group._group_actions if one.dest != "help" and one.help != argparse.SUPPRESS]
        rows = [f"| {' '.join(f'`{way}`' for way in ways(one))} | {helped(command, one)} |\n" for one in options]
        if rows:
            parts.append(f"\n| {group.title} | |\n|---|---|\n{''.join(rows)}")
    if command.epilog:
        parts.append(f"\n{cell(command.epilog)}\n")
    return "".join(parts)


def ways(option: argparse.Action) -> list[str]:
    """How an argument or option is typed, with its value."""
    formatter = argparse.HelpFormatter("")
    if not option.option_strings:
        return [formatter._format_args(option, formatter._get_default_metavar_for_positional(option))]
    value = formatter._format_args(option, formatter._get_default_metavar_for_optional(option))
    return [way if option.nargs == 0 else f"{way} {value}" for way in option.option_strings]


def helped(command: argparse.ArgumentParser, option: argparse.Action) -> str:
    return cell(command._get_formatter()._expand_help(option)) if option.help else ""


def cell(text: str) -> str:
    """A text as it may stand in a table of a page."""
    return re.sub(r"([\\|*_<>\[\]`])", r"\\\1", " ".join(text.split()))


def stage_notebooks(folder: Path) -> None:
    """The notebooks as pages, with the outputs that were kept."""
    from nbconvert import MarkdownExporter

    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        shutil.copyfile(path, folder / path.name)
        exporter = MarkdownExporter()
        body, resources = exporter.from_filename(str(path), resources={"output_files_dir": f"{path.stem}_files"})
        for name, data in resources["outputs"].items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(data)
        (folder / f"{path.stem}.md").write_text(plain_tables(body), encoding="utf-8")


def plain_tables(page: str) -> str:
    """The page with the tables of polars in the looks of the site, and their texts without quotation marks."""
    page = re.sub(r"<style>\s*\.dataframe .*?</style>", "", page, flags=re.DOTALL)
    page = page.replace('<table border="1" class="dataframe">', "<table>")
    return re.sub(r"<td>&quot;|&quot;</td>", lambda found: found[0].replace("&quot;", ""), page)


class Page(HTMLParser):
    """What a page can be led to by, where it leads, and what a browser loads with it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif tag == "link" and given.get("rel") not in ("canonical", "prev", "next"):
            self.loaded.append(given.get("href", ""))
        self.loaded += [given[name] for name in ("src", "poster", "data") if name in given]


def faults(site: Path) -> Iterator[str]:
    """Links that lead nowhere, to no heading, or are no addresses; and whatever is not loaded from the site itself."""
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in site.rglob("*.html")}
    for path, page in pages.items():
        if path.name == "404.html":  # its links begin at the root of a server
            continue
        here = path.relative_to(site).as_posix()
        for link in page.links:
            if fault := fault_of(link, path, pages):
                yield f"{here}: {link}: {fault}"
        yield from (f"{here}: loads {link}" for link in page.loaded if not is_local(link, path))
    for path in site.rglob("*.css"):
        text = path.read_text(encoding="utf-8")
        for link in (*re.findall(r"url\(([^)]*)\)", text), *re.findall(r"@import\s+([^;]+)", text)):
            if urlsplit(link.strip("\"' ")).scheme in FOREIGN:
                yield f"{path.relative_to(site).as_posix()}: loads {link}"


def is_local(link: str, page: Path) -> bool:
    parts = urlsplit(link)
    foreign = parts.scheme or parts.netloc
    return parts.scheme == "data" or (not foreign and (page.parent / unquote(parts.path)).exists())


def fault_of(link: str, page: Path, pages: dict[Path, Page]) -> str:
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        right = parts.scheme in FOREIGN and (
            parts.scheme == "mailto" or "." in parts.netloc or "localhost" in parts.netloc
        )
        return "" if right and " " not in link else "no address"
    target = page if not parts.path else (page.parent / unquote(parts.path)).resolve()
    target = target / "index.html" if target.is_dir() else target
    if not target.is_file():
        return "leads nowhere"
    anchor = unquote(parts.fragment)
    return "no such heading" if anchor and target in pages and anchor not in pages[target].anchors else ""


def verdict(wrong: Iterable[str]) -> str | int:
    """What a program ends with: 0, or the faults, which it then prints."""
    return "\n".join(wrong) or 0


if __name__ == "__main__":
    sys.exit(verdict(faults(build(Path(sys.argv[1])))))
