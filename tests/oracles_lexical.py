"""The slow twin of the lexical matcher: every window compared with every wording as a sorted list of forms."""

from __future__ import annotations

from conceptmap.matching.content import content_words
from conceptmap.matching.lexicon import MAX_WORDS


def naive_windows(text: str, terms: dict[str, str]) -> set[tuple[int, int, str]]:
    """(start, end, code) of every window of ``text`` that is a term: any order inside a run without gaps, the term's
    own order across commas and the like, never across the end of a clause."""
    content = content_words(text)
    wanted = {code: content_words(term).form for code, term in terms.items()}
    out = set()
    for i in range(len(content.form)):
        for j in range(i + 1, min(len(content.form), i + MAX_WORDS) + 1):
            gaps = content.gap[i + 1 : j]
            if 2 in gaps or not content.first[i] or not content.last[j - 1]:
                continue
            said = content.form[i:j]
            for code, forms in wanted.items():
                if said == forms or (not any(gaps) and sorted(said) == sorted(forms)):
                    out.add((content.start[i], content.end[j - 1], code))
    return out
