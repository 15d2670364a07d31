"""Drugs taken less than prescribed, with the reason, and drugs taken too much (ICD-10-CM guideline I.C.19.e.5.b-c).

"Ran out of torsemide", "stopped her statin because of cramps" give the underdosing of the drug and, by the reason, why
(Z91.1-); only what the patient did counts, not what a doctor stopped. An overdose is a poisoning, accidental unless the
text says otherwise.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Final

from conceptmap.coding.derived.drug_harm import groups
from conceptmap.coding.derived.drugs import Drug, harm
from conceptmap.coding.derived.found import Found
from conceptmap.text.literals import all_of, first_of
from conceptmap.text.overlaps import Starts

__all__ = ["poisoning", "regimens_not_kept", "underdosing"]

_WHO: Final = r"(?:he|she|they|patient|pt|who|which|that|and|has|had|have|recently|also|abruptly|since|then|just)"
_LESS: Final = re.compile(
    r"\b(?:(?:ran|run|running|been|was|is) out of|then out of|self[- ](?:stopped|discontinued|d/c'?d|held|weaned"
    r"|tapered)"
    rf"|(?:{_WHO}\s)+(?:stopped|quit|discontinued|self-discontinued)(?: taking| using)?"
    rf"|(?:{_WHO}\s)+(?:missed|skipped|missing|skipping|rationed|rationing|not (?:been )?taking|been stretching)"
    r"|(?:has|had|have) (?:also )?been (?:off|without)|without (?:his|her|their)|no (?=\w+ (?:for|x) \d)"
    r"|(?:has|had|have|did)(?: not|n['’]t) (?:been )?(?:tak(?:e|en|ing)|us(?:e|ed|ing)|fill(?:ed)?|refill(?:ed)?"
    r"|pick(?:ed)? up)"
    r"|missed (?:\w+ ){0,3}(?:doses?|days?|weeks?|pills?)(?: worth)?(?: of)?|missing (?:\w+ ){0,2}(?:doses?"
    r"|pills?)(?: of)?|skip(?:s|ped|ping)"
    r"|(?:takes?|taking|took) (?:\w+ ){0,2}(?:irregularly|sporadically|intermittently|inconsistently|half of)"
    r"|cut(?:ting)? (?:back|down)(?: on)?"
    r"|admits? to (?:missing|skipping|stopping|not taking)|halv(?:ed|ing)|spacing out|splitting"
    r"|(?:has|had|have) been (?:rationing|skipping|missing|stretching|halving|splitting|forgetting)|rationing"
    r"|stopped (?:his|her|their)|missed (?=\w+ doses?)|half[- ]doses? of|half of|non-?(?:compliance|adherence)(?= \()"
    r"|stopped taking|stopped using"
    r"|not (?:been )?(?:taking|using)|(?:wasn|isn|hasn|hadn|haven|didn|doesn)['’]t (?:been )?(?:tak(?:e|en|ing)"
    r"|us(?:e|ed|ing)|fill(?:ed)?)"
    r"|non-?(?:compliant|compliance|adherent|adherence) (?:with|to)|not (?:consistent|compliant|adherent"
    r"|consistently)\b"
    r"|inconsistent (?:with|use)|poor(?:ly)? (?:compliance|adherence|compliant|adherent)(?: with| to)?"
    r"|forget\w* (?:to take|about)?|forgot\w*(?: to take)?"
    r"|underdosing of|omission of|omitt(?:ed|ing)|(?:unable|not able) to (?:afford|obtain|get|fill|refill|pick up)"
    r"|(?:cannot|can not|could not|(?:can|couldn)['’]t) (?:afford|get|fill|pay for)"
    r"|took only|taking only|only taking|stretching|lapsed? (?:in|on))\b",
    re.IGNORECASE,
)
_LESS_AFTER: Final = re.compile(
    rf"\A[^.;\n]{{0,12}}?\b(?:omission|non-?(?:adherence|compliance)|underdosing|(?:which"
    rf"|that) (?:{_WHO} )*(?:stopped|quit|discontinued|ran out of|rationed)"
    r"|because (?:he|she) (?:ran out|could not afford))\b|\A[^.;\n]{0,15}?\b(?:only )?(?:about "
    r"|roughly )?half (?:the|of the) time"
    r"|\A[^.;\n]{0,25}?\b(?:irregularly|sporadically|inconsistently|on (?:his|her) own accord|on (?:his"
    r"|her) own\b(?! own))",
    re.IGNORECASE,
)
_AS_NEEDED: Final = re.compile(r"T39\.(?:1|[239])|T40|T41|T50\.8|T48\.[345]")
_MEDICINE: Final = re.compile(r"\b(?:meds|medications?|medicines?|pills|prescriptions?)\b", re.IGNORECASE)
_MEDICINES: Final = re.compile(
    r"\b(?:(?:home |his |her |their |all |any |of |the |all of )*(?:meds|medications?|medicines?|pills"
    r"|prescriptions?))\b",
    re.IGNORECASE,
)
_RAN_OUT: Final = re.compile(r"\b(?:ran|run) out\b(?! of)", re.IGNORECASE)
_NEVER: Final = re.compile(
    r"\b(?:never|no|not|denies|denied|without|hasn['’]t|should|do|must|doctor|physician|clinic|we|cardiolog\w+|team"
    r"|pcp|for surgery|if)\s+(?:\w+\s){0,2}\Z",
    re.IGNORECASE,
)
_REMEDIES: Final = frozenset({"opioid antagonist", "antidote", "coagulant"})
_REASONS: Final = (
    (
        re.compile(
            r"\b(?:cost\w*|afford\w*|insurance|co-?pay\w*|financ\w+|expens\w+|money|uninsured|coverage)\b",
            re.IGNORECASE,
        ),
        "Z91.120",
    ),
    (
        re.compile(
            r"\b(?:forg[eo]t\w*|mix[- ]?up|pharmacy|refills?|(?:ran|run|running) out|misunder\w+|confused about"
            r"|lost (?:his|her) (?:pills|medications?))\b",
            re.IGNORECASE,
        ),
        "Z91.138",
    ),
    (
        re.compile(
            r"\b(?:side[- ]effects?|because|made (?:him|her)|felt (?:fine|better|well|good|worse)|feel\w* (?:fine"
            r"|better|well)|self[- ]|on (?:his|her) own|did(?:n['’]t| not) (?:want|like|think|believe)"
            r"|prefer\w*|afraid|fear\w*|worried|chose|decided|nausea from|due to)\b",
            re.IGNORECASE,
        ),
        "Z91.128",
    ),
)
_STOPPED: Final = re.compile(r"\b(?:stopped|quit|discontinued)\b", re.IGNORECASE)
_ON_PURPOSE, _OTHER = "Z91.128", "Z91.148"
_REACH, _BACK, _LONGEST = 60, 250, 120
_FAR = 2000
_OVERDOSE: Final = re.compile(
    r"\b(?:(?i:overdos\w+|poison\w*|ingest(?:ed|ion|ing)|swallowed|toxic ingestion|double dos\w+"
    r"|took (?:too (?:many|much)|an extra|a handful|\d{2,} (?:tablets|pills)))|OD(?:'?d)?)\b"
)
_PAST: Final = re.compile(
    r"\b(?:prior|previous|history of|hx of|h/o|past|remote|years? ago|no)\s+(?:\w+\s){0,3}\Z", re.IGNORECASE
)
_INTENTS: Final = (
    (
        re.compile(
            r"\b(?:suicid\w+|intentional(?:ly)?|self[- ]harm|kill (?:him|her|them)sel(?:f|ves)|wanted to die"
            r"|end (?:his|her) life)\b",
            re.IGNORECASE,
        ),
        "2",
    ),
    (re.compile(r"\b(?:undetermined|unclear intent|unknown intent)\b", re.IGNORECASE), "4"),
)
_UNINTENDED: Final = re.compile(
    r"\b(?:unintentional(?:ly)?|accident(?:al|ally)?|not (?:a )?suicid\w+|no suicid\w+"
    r"|denie[sd] (?:\w+ ){0,3}(?:suicid\w+|self[- ]harm|SI))\b",
    re.IGNORECASE,
)


def underdosing(text: str, bounds: Sequence[tuple[int, int]], drugs: Sequence[Drug]) -> Iterator[Found]:
    """The drugs that the patient took less of than prescribed, and once a place the reason.

    Args:
        text: the note.
        bounds: its sentences.
        drugs: that it names.
    """
    starts = [start for start, _ in bounds]
    listed = groups(text, [d for d in drugs if not _AS_NEEDED.match(d.of.harm) and d.of.name != "contraceptive"])
    first, last = (Starts(places) for places in ([g[0].start_char for g in listed], [g[-1].end_char for g in listed]))
    something = listed or first_of(_MEDICINE, text)
    for match in all_of(_LESS, text) if something else ():
        near = first.within(match.start(), match.end() + _REACH)
        group = listed[near[0]] if near else None
        if _NEVER.search(text[max(0, match.start() - 30) : match.start()]):
            continue
        if group is None or _STOP.search(text, match.end(), group[0].start_char):
            named = _MEDICINES.match(text, match.end() + 1)
            if named:
                yield _why(text, bounds, starts, (match.start(), named.end()))
            continue
        yield from _less(text, bounds, starts, (match.start(), match.end()), group)
    for group in listed:
        after = _LESS_AFTER.match(text[group[-1].end_char : group[-1].end_char + 80])
        if after:
            yield from _less(
                text, bounds, starts, (group[-1].end_char + after.start(), group[-1].end_char + after.end()), group
            )
    for match in all_of(_RAN_OUT, text):
        before = [listed[number] for number in last.within(match.start() - _BACK, match.start() + 1)]
        if before and "\n\n" not in text[before[-1][-1].end_char : match.start()]:
            yield from _less(text, bounds, starts, match.span(), before[-1])


_STOP: Final = re.compile(r"[;\n]|\.\s|\bbut\b|\band (?:is|was|has|takes|on|started)\b")


def _less(
    text: str, bounds: Sequence[tuple[int, int]], starts: Sequence[int], said: tuple[int, int], group: Sequence[Drug]
) -> Iterator[Found]:
    """The codes of a group of drugs taken less, with the reason that stands beside."""
    for drug in group:  # the words that say it are part of the mention: "not taking" denies nothing
        begin, end = min(said[0], drug.start_char), max(said[1], drug.end_char)
        near = end - begin <= _LONGEST and "\n\n" not in text[begin:end]
        yield Found(*(_tight(text, (begin, end)) if near else (drug.start_char, drug.end_char)), harm(drug.of, "6"))
    yield _why(text, bounds, starts, said)


def _why(text: str, bounds: Sequence[tuple[int, int]], starts: Sequence[int], said: tuple[int, int]) -> Found:
    """The code of why less was taken, by the sentence that says it or those beside it."""
    at = bisect_right(starts, said[0]) - 1
    sentence = text[_near(bounds, at, at, said)] if at >= 0 else text[said[0] : said[1]]
    around = text[_near(bounds, at - 1, at + 1, said)] if at >= 0 else sentence
    reason = next((code for words, code in _REASONS if words.search(sentence)), None)
    reason = reason or next((code for words, code in _REASONS[:2] if words.search(around)), None)
    return Found(*_tight(text, said), reason or (_ON_PURPOSE if _STOPPED.search(text, *said) else _OTHER))


def _near(bounds: Sequence[tuple[int, int]], first: int, last: int, span: tuple[int, int]) -> slice:
    """From one sentence to another, as far as they are near to a span."""
    start, end = bounds[max(0, first)][0], bounds[min(len(bounds) - 1, last)][1]
    return slice(max(start, span[0] - _FAR), min(end, span[1] + _FAR))


_DIALYSIS: Final = re.compile(
    r"\b(?:miss(?:ed|es|ing)|skip(?:ped|s|ping)|non-?(?:compliance|adherence|compliant"
    r"|adherent) with) (?:[\w-]+ ){0,3}(?:HD|hemodialysis|dialysis)\b",
    re.IGNORECASE,
)
_DIET: Final = re.compile(
    r"\bdiet(?:ary)? (?:indiscretion|non-?(?:compliance|adherence))|\bnon-?(?:compliance|adherence|compliant"
    r"|adherent) with (?:[\w-]+ ){0,3}diet\b"
    r"|\bsalt load\b|\bhigh[- ]salt (?:diet|intake|meals?)|\b(?:ate|eating) (?:[\w-]+ ){0,3}(?:salty|high[- ]sodium"
    r"|canned) ",
    re.IGNORECASE,
)


def regimens_not_kept(text: str) -> Iterator[Found]:
    """Dialysis that was missed and diets that were not kept (ICD-10-CM Z91.15 and Z91.11)."""
    for words, code in ((_DIALYSIS, "Z91.158"), (_DIET, "Z91.118")):
        for match in all_of(words, text):
            if not _NEVER.search(text[max(0, match.start() - 30) : match.start()]):
                yield Found(*_tight(text, match.span()), code)
                break


def _tight(text: str, span: tuple[int, int]) -> tuple[int, int]:
    """A span without the blanks at its edges."""
    piece = text[slice(*span)]
    return span[0] + len(piece) - len(piece.lstrip()), span[0] + len(piece.rstrip())


def poisoning(text: str, bounds: Sequence[tuple[int, int]], drugs: Sequence[Drug]) -> Iterator[Found]:
    """The drugs that a note says were taken too much, or by somebody they were not meant for.

    Args:
        text: the note.
        bounds: its sentences.
        drugs: that it names.
    """
    starts = [start for start, _ in bounds]
    named = Starts([drug.start_char for drug in drugs])
    for match in all_of(_OVERDOSE, text):
        at = bisect_right(starts, match.start()) - 1
        if at < 0 or _PAST.search(text[max(0, match.start() - 40) : match.start()]):
            continue
        first, last = bounds[at]
        near = max(first, match.start() - _REACH), min(last, match.start() + _REACH + 1)
        around = text[_near(bounds, at - 1, at + 1, match.span())]
        kind = "1" if _UNINTENDED.search(around) else next((k for words, k in _INTENTS if words.search(around)), "1")
        for drug in (drugs[number] for number in named.within(*near)):
            if drug.of.name not in _REMEDIES:
                yield Found(drug.start_char, drug.end_char, harm(drug.of, kind))
