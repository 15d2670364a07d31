"""Pregnancy, childbirth and the puerperium: what a maternity record says, in the codes of its chapter (ICD-10-CM O).

Chapter 15 goes before the others: a condition of another chapter gets its code there ("hypothyroidism" in labour is
O99.284 and E03.9; ``data/obstetric_<system>.csv``), by the trimester or, in the stay of the delivery, by childbirth
(guidelines I.C.15.a). Weeks (Z3A), the outcome of delivery (Z37) and the injuries and findings of labour are read from
the way in which such records write them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from typing import Final

from conceptmap.coding.completion import trimester_of
from conceptmap.coding.derived.found import Found
from conceptmap.coding.derived.newborns import is_newborn
from conceptmap.coding.proposed_codes import ProposedCode, ProposedCodes, add, codes_in, drop, exchange
from conceptmap.data.tables import read_rows
from conceptmap.ontology.code_ranges import Ranges, parse_ranges, within
from conceptmap.ontology.codebook import CodeBook
from conceptmap.text.literals import all_of, first_of

__all__ = ["births", "episode", "is_maternal", "leaves_open", "settle_pregnancy", "weeks_at"]

_MATERNAL: Final = re.compile(
    r"\b(?:G\s?\d+\s?P\s?\d+|gravida|IUP|intrauterine pregnancy|pregnan(?:t|cy) at|(?:at )?\d{1,2} ?(?:weeks?"
    r"|wks?) pregnant"
    r"|SROM|AROM|PPROM|PROM|L&D|labor and delivery|antepartum|intrapartum|obstetric(?:s|al)?|maternal[- ]fetal|MFM"
    r"|postpartum"
    r"|lochia|ectopic|miscarriage|gestational age|prenatal|FHR|EDD|EDC|fetal movement|OB discharge)\b",
    re.IGNORECASE,
)
_NO_MOTHER: Final = re.compile(
    r"\b\d{1,3}[- ]?(?:years?|yrs?|y)[- ]?(?:old|o)?,?\s(?:\w+\s){0,2}(?:male|man|boy|gentleman)\b"
    r"|\b[1-9][- ](?:years?|yrs?)[- ]old\b"
    r"|\b(?:\d{1,2}|one|two|three|four|five|six|seven|eight|nine|ten|eleven)[- ](?:months?|weeks?|days?)[- ]old\b",
    re.IGNORECASE,
)
"""A patient who is male or a child: what the note tells of a pregnancy is how that patient was born."""
_STATED: Final = re.compile(
    r"\b(?:(?:is|currently|now) pregnant\b|(?:pregnan(?:t|cy)|IUP|gravid)\b[^.\n]{0,15}?\b\d{1,2} ?(?:w|wks?|weeks?)\b"
    r"|\d{1,2} ?(?:w|wks?|weeks?)['\u2019]? (?:pregnant|IUP|(?:of )?(?:pregnancy|gestation)))"
    r"|\b(?:complicating|in) (?:the |her |this )?pregnancy\b|\b(?:first|second|third)[- ]trimester (?:of )?pregnancy\b",
    re.IGNORECASE,
)
"""What says by itself that the patient is pregnant."""
_OF_FETUS: Final = re.compile(r"\b(?:fo?etus\w*|fo?etal|newborn|neonat\w+)\b", re.IGNORECASE)
_ONCE: Final = re.compile(
    r"\b(?:born|birth|delivered|delivery|prior|previous|past|last|history of|h/o|hx of|her (?:first|second)"
    r"|not|mother|wife|partner|girlfriend|sister|daughter)\b"
    r"[^.;\n]{0,30}\Z",
    re.IGNORECASE,
)
_OPENING: Final = 200
_DELIVERED: Final = re.compile(
    r"\b(?:N?SVD|VAVD|FAVD|(?:R|P)?LTCS|vaginal (?:birth|delivery)|(?:vacuum|forceps)[- ]assisted|delivered (?:a|of"
    r"|by|via|at|vaginally)"
    r"|(?:cesarean|caesarean|C-?section|c/s)\b[^.\n]{0,60}\b(?:performed|done|live|viable|infant|apgar\w*"
    r"|delivered)|live(?:born)?,? (?:male|female|infant|boy|girl)"
    r"|liveborn|viable (?:male|female|infant)|apgars?)\b",
    re.IGNORECASE,
)
_EARLIER: Final = re.compile(
    r"\b(?:prior|previous|h/o|hx(?: of)?|last|history of|past|after|for|if)\W+(?:\w+\W+){0,2}\Z", re.IGNORECASE
)
_YEAR: Final = re.compile(r"\W{1,2}(?:in )?(?:x ?\d\W+)?(?:19|20)\d\d\b|\W+x ?\d\b")
_PUERPERAL: Final = re.compile(
    r"\b(?:\d+ (?:days?|weeks?|wks?) (?:postpartum|post-partum|after (?:delivery|her cesarean|birth))|PPD ?#?\d+"
    r"|postpartum day \d+)\b",
    re.IGNORECASE,
)
_WEEKS: Final = re.compile(
    r"\b(\d{1,2}) ?(?:(?:w|wks?|weeks?),? ?(?:and )?([0-6]) ?(?:d\b|days?\b|/7)|\+ ?([0-6])\b(?: ?(?:w|weeks?"
    r"|wks?))?|(?:and )? ?([0-6])/7 ?(?:w|weeks?|wks?))"
    r"|\b(?:GA|gestation(?:al age)?|IUP|pregnan\w+|EGA)\b[^.\n\d]{0,20}(\d{1,2}) ?(?:w|weeks?|wks?)\b"
    r"|\b(\d{1,2}) ?-?(?:w|weeks?|wks?)\b[^.\n\d]{0,15}\b(?:gestation\w*|pregnan\w+|IUP|EGA|GA)\b",
    re.IGNORECASE,
)
_DAYS: Final = re.compile(r",? ?(?:and )?([0-6]) ?(?:d\b|days?\b|/7)", re.IGNORECASE)
_LEAST, _MOST, _TERM = 4, 43, 40
_LIVE: Final = re.compile(
    r"\b(?:live(?:born)?\b(?:,? (?:to mom|male|female|infant|boy|girl|singleton))?|viable (?:male|female|infant"
    r"|baby)|apgars?)\b",
    re.IGNORECASE,
)
_STILL: Final = re.compile(r"\b(?:stillb(?:orn|irth)|IUFD|intrauterine fetal (?:demise|death))\b", re.IGNORECASE)
_TWINS: Final = re.compile(r"\b(?:twins?|twin [AB]|baby [AB])\b", re.IGNORECASE)
_DEGREE: Final = re.compile(
    r"\b(?:lac(?:eration|s)?|tears?|perine\w+)\b[:\s-]{0,3}\s?(?:degree )?(3[abc]|[1-4](?:st|nd|rd|th)?|first"
    r"|second|third|fourth|IV|III[abc]?|II|I)\b(?! ?cm)"
    r"|\b(3[abc]|[1-4](?:st|nd|rd|th)|first|second|third|fourth)[- ]?(?:degree|deg)\b[^.\n]{0,25}\b(?:lac\w*|tears?"
    r"|perine\w+)",
    re.IGNORECASE,
)
_DEGREES: Final = {"1": "O70.0", "first": "O70.0", "i": "O70.0", "2": "O70.1", "second": "O70.1", "ii": "O70.1"} | {
    "3": "O70.20", "third": "O70.20", "iii": "O70.20", "3a": "O70.21", "3b": "O70.22", "3c": "O70.23", "iiia": "O70.21",
    "iiib": "O70.22", "iiic": "O70.23", "4": "O70.3", "fourth": "O70.3", "iv": "O70.3",
}  # fmt: skip
_LABOUR: Final = (  # what records of labour say, and its code; guideline I.C.15 and the titles of O60-O77
    (
        r"\b(?:FHRs?|FHTs?|fetal heart(?: rate| tones?)?)\b[^.\n]{0,30}\b(?:cat(?:egory)? ?(?:II|III|2|3)\b"
        r"|decel\w*|non-?reassuring|brady\w*)"
        r"|\b(?:late|variable|prolonged|recurrent|repetitive late) dec(?:el\w*|s)\b|\bnon-?reassuring (?:fetal|FHR"
        r"|FHT|tracing)\w*",
        "O76",
    ),
    (r"\btight nuchal cord|\bnuchal cord[^.\n]{0,15}\btight", "O69.1XX0"),
    (r"\b(?<!tight )(?:loose )?nuchal cord\b(?![^.\n]{0,15}\btight)", "O69.81X0"),
    (r"\bmaternal exhaustion\b", "O75.81"),
    (r"\b(?:PPH|postpartum ha?emorrhage|uterine atony|atony of (?:the )?uterus)\b", "O72.1"),
    (r"\bretained placenta\b(?![^.\n]{0,20}\bno\b)", "O73.0"),
    (r"\b(?:periurethral|labial|vulvar|clitoral) (?:lac\w*|tears?)\b[^.\n]{0,25}\b(?:repaired|sutured)", "O71.82"),
    (r"\b(?:vaginal|sulcus|sulcal) (?:wall )?(?:lac\w*|tears?)\b[^.\n]{0,25}\b(?:repaired|sutured)", "O71.4"),
    (r"\bcervical (?:lac\w*|tears?)\b", "O71.3"),
    (r"\bmeconium[- ]stained\b|\b(?:thick|thin|light|moderate) mec(?:onium)?\b", "O77.0"),
    (r"\bshoulder dystocia\b", "O66.0"),
    (r"\b(?:prolonged second stage|second stage arrest|arrest of descent)\b", "O63.1"),
    (r"\b(?:PPD|POD)\s?#?\d[^.\n]{0,15}\b(?:temp\w*|T|Tmax|fever)\b[^.\n\d]{0,6}(?:3[89]\.\d|10[0-3]\.\d)", "O86.4"),
)
_BEFORE_OR_AT: Final = (
    (
        r"\bGBS[ -]?(?:pos\w*|\+|carrier|coloni\w+)|\bgroup B strep\w*[^.\n]{0,20}\b(?:positive|carrier|coloni\w+)",
        "Z22.330",
    ),
    (
        r"\b(?:prior|previous|h/o|hx of|repeat)\s(?:[\w-]+ ){0,3}?(?:cesareans?|c-?sections?|c/s"
        r"|LTCS)\b[^.\n]{0,60}?\b(?:low transverse|LTCS)|\brepeat LTCS\b|\bRLTCS\b",
        "O34.211",
    ),
    (r"\b(?:prior|previous|h/o|hx of|repeat)\s(?:[\w-]+ ){0,3}?(?:cesareans?|c-?sections?|c/s)\b", "O34.219"),
)
_GESTATIONAL: Final = re.compile(r"\b(?:gestational diabetes|A?[12]?GDM(?:A?[12])?)\b[^\n.]{0,60}", re.IGNORECASE)
_INSULIN: Final = re.compile(r"\b(?:A2|GDMA2|A2GDM|insulin|NPH|lispro|glargine)\b", re.IGNORECASE)
_ORAL: Final = re.compile(r"\b(?:metformin|glyburide|oral)\b", re.IGNORECASE)
_DIET: Final = re.compile(r"\b(?:A1|GDMA1|A1GDM|diet)\b", re.IGNORECASE)
_SMALL: Final = re.compile(
    r"\b(?:fetal growth restriction|growth restriction|growth[- ]restricted|FGR|IUGR)\b", re.IGNORECASE
)
_SUPERIMPOSED: Final = re.compile(r"\bsuperimposed pre-?eclampsia\b", re.IGNORECASE)
_ECTOPIC: Final = re.compile(
    r"\b(?:ruptured )?(?:(?:ampullary|tubal|isthmic|fimbrial|left|right|L|R) ){0,3}ectopic(?: pregnancy)?\b",
    re.IGNORECASE,
)
_TUBE: Final = re.compile(r"\b(?:ampull\w+|tub(?:e|al)|isthm\w+|fimbri\w+|salping\w+|adnex\w+)\b", re.IGNORECASE)
_SIDE: Final = re.compile(r"\b(?:left|right|L|R)\b", re.IGNORECASE)
_SENTENCE_END: Final = re.compile(r"[.\n]")
_BLED: Final = re.compile(r"\bhemoperitoneum\b|\bhaemoperitoneum\b", re.IGNORECASE)
_FELL: Final = re.compile(
    r"\b(?:Hgb|Hb|hemoglobin|haemoglobin)\b[^\d\n]{0,8}(\d{1,2}\.\d)\s*(?:->|→|-|to|then"
    r"|down to)\s*(\d{1,2}\.\d)[^\n]{0,120}?\b(?:iron|transfus\w+|PRBC|RBC|ferrous|an[a]?emi\w+)\b",
    re.IGNORECASE,
)
_LOW: Final = 10.0


@lru_cache(maxsize=64)
def is_maternal(text: str) -> bool:
    """Whether a note is about a woman in pregnancy, labour or the weeks after, and not about a child of hers.

    >>> [is_maternal(f"12-year-old {child}, obstetric history G1P0.") for child in ("girl", "boy")]
    [True, False]
    """
    told = len({match[0].lower() for match in all_of(_MATERNAL, text)}) > 1
    if not told and first_of(_OF_FETUS, text) is None:
        told = any(
            not (_ONCE.search(text[max(0, found.start() - 50) : found.start()]) or _YEAR.match(text, found.end()))
            for found in _STATED.finditer(text)
        )
    return told and not _NO_MOTHER.search(text, 0, _OPENING) and not is_newborn(text)


def weeks_at(text: str) -> tuple[int, int, tuple[int, int]] | None:
    """Completed weeks and days of the gestation that a record states first, and the half-open span that says so.

    >>> weeks_at("G1P0 at 40w5d"), weeks_at("33 weeks 4 days"), weeks_at("cough for 3 weeks")
    ((40, 5, (8, 13)), (33, 4, (0, 15)), None)
    """
    for match in _WEEKS.finditer(text):
        weeks = int(match[1] or match[5] or match[6])
        if _LEAST <= weeks < _MOST:
            more = _DAYS.match(text, match.end())
            days = match[2] or match[3] or match[4] or (more[1] if more else None)
            return weeks, int(days or 0), match.span()
    return None


def episode(text: str) -> str:
    """Where a maternity record stands: "first" to "third" trimester, "open", "childbirth" or "puerperium"."""
    if _is_delivered(text):
        return "childbirth"
    at = weeks_at(text)
    if at is not None:
        return "first" if at[0] < 14 else "second" if at[0] < 28 else "third"
    if first_of(_PUERPERAL, text):
        return "puerperium"
    return trimester_of(text).partition(" ")[0] or "open"


def _is_delivered(text: str) -> bool:
    """Whether a record tells of a delivery, and not only of earlier ones."""
    return any(
        not (_EARLIER.search(text[max(0, found.start() - 25) : found.start()]) or _YEAR.match(text, found.end()))
        for found in _DELIVERED.finditer(text)
    )


def births(text: str) -> Iterator[Found]:
    """What a maternity record says of weeks, delivery and labour: codes with their half-open spans."""
    if not is_maternal(text):
        return
    now = episode(text)
    at = weeks_at(text)
    if at is not None and now != "puerperium":
        weeks, days, span = at
        yield Found(*span, f"Z3A.{weeks:02d}")
        if now == "childbirth" and (weeks > _TERM or (weeks == _TERM and days)):
            yield Found(*span, "O48.0" if weeks < 42 else "O48.1")
    for words, code in _BEFORE_OR_AT if now != "puerperium" else ():
        found = first_of(_compiled(words), text)
        if found:
            yield Found(*found.span(), code)
    diabetes = first_of(_GESTATIONAL, text)
    if diabetes:
        yield Found(
            diabetes.start(), diabetes.start() + len(diabetes[0].split(",")[0].rstrip()), _controlled(diabetes[0], now)
        )
    yield from _fetus(text, now, at[0] if at else 0)
    if now == "childbirth":
        yield from _delivery(text)
    elif now in ("first", "open"):
        yield from _ectopic(text)


def _fetus(text: str, now: str, weeks: int) -> Iterator[Found]:
    """Growth of the fetus and pre-eclampsia on chronic hypertension, by where the record stands."""
    trimester = {"first": "1", "second": "2", "third": "3"}.get(now) or (
        "9" if not weeks else "3" if weeks >= 28 else "2"
    )
    small, superimposed = first_of(_SMALL, text), first_of(_SUPERIMPOSED, text)
    if small:
        yield Found(*small.span(), f"O36.59{trimester}0")
    if superimposed:
        stage = {"childbirth": "4", "puerperium": "5"}.get(now, trimester)
        yield Found(*superimposed.span(), f"O11.{stage}")


def _ectopic(text: str) -> Iterator[Found]:
    """An ectopic pregnancy with the tube that it is in, and its bleeding."""
    found = first_of(_ECTOPIC, text)
    if not found:
        return
    sentence = (
        text[text.rfind(".", 0, found.start()) + 1 : found.end()]
        + _SENTENCE_END.split(text[found.end() :], maxsplit=1)[0]
    )
    side = _SIDE.search(sentence)
    tubal = _TUBE.search(sentence) is not None
    yield Found(
        *found.span(),
        f"O00.10{'2' if side and side[0].lower() in ('left', 'l') else '1' if side else '9'}" if tubal else "O00.90",
    )
    bled = first_of(_BLED, text)
    if bled:
        yield Found(*bled.span(), "O08.1")


def _delivery(text: str) -> Iterator[Found]:
    """What the record of a delivery says of the child and of labour."""
    live, still = first_of(_LIVE, text), first_of(_STILL, text)
    if live:
        yield Found(*live.span(), "Z37.2" if first_of(_TWINS, text) else "Z37.0")
    elif still:
        yield Found(*still.span(), "Z37.1")
    for words, code in _LABOUR:
        found = first_of(_compiled(words), text)
        if found:
            yield Found(*found.span(), code)
    torn = first_of(_DEGREE, text)
    if torn:
        said = re.sub(r"(?<=\d)(?:st|nd|rd|th)$", "", (torn[1] or torn[2]).lower())
        yield Found(*torn.span(), _DEGREES[said])
    fell = first_of(_FELL, text)
    if fell and float(fell[2]) < _LOW and float(fell[1]) - float(fell[2]) >= 1:
        yield Found(*fell.span(), "O90.81")


def _controlled(said: str, now: str) -> str:
    """The code of gestational diabetes by how it is controlled."""
    control = "4" if _INSULIN.search(said) else "5" if _ORAL.search(said) else "0" if _DIET.search(said) else "9"
    return f"O24.4{ {'childbirth': '2', 'puerperium': '3'}.get(now, '1') }{control}"


@cache
def _compiled(words: str) -> re.Pattern[str]:
    return re.compile(words, re.IGNORECASE)


_CHAPTER: Final = parse_ranges("O00-O9A")
_LOST: Final = parse_ranges("O00-O08")
_YIELDING: Final = tuple(
    (parse_ranges(stronger), parse_ranges(weaker))
    for stronger, weaker in (
        ("O70-O71", "T14 S30-S31 S37 S39"),  # injuries of childbirth
        ("O11", "O14.0 O14.1 O14.9 O16"),
        ("O34.211-O34.218", "O34.219 Z98.891"),
        ("O34.21", "Z98.891"),
        ("O24.410-O24.415 O24.420-O24.425 O24.430-O24.435", "O24.419 O24.429 O24.439"),
        ("O72.1", "O72.0 R58"),
    )
)
_STAGED: Final = re.compile(
    r",? ?\b(?:complicating|in|with) (?:the )?(?:pregnancy|childbirth|puerperium)\b|,? (?:first|second|third"
    r"|unspecified) trimester\b|[,\s]+$"
)
_STAGES: Final = {
    "childbirth": "childbirth", "puerperium": "puerperium", "first": "first trimester", "second": "second trimester",
    "third": "third trimester",
}  # fmt: skip


def settle_pregnancy(proposals: ProposedCodes, book: CodeBook, text: str) -> None:
    """Give the codes of a maternity record their place in chapter 15, in place."""
    if not is_maternal(text):
        return
    now = episode(text)
    lost = now in ("first", "open") and bool(codes_in(proposals, _LOST, book))
    now = "first" if lost else now
    if not lost:
        drop(proposals, _LOST, book)  # an earlier pregnancy's
    for stronger, weaker in _YIELDING:
        if codes_in(proposals, stronger, book):
            drop(proposals, weaker, book)
    for proposal in [d for d in proposals.values() if d.affirmed]:
        _complicates(proposal, proposals, book, now)
    for proposal in codes_in(proposals, _CHAPTER, book):
        _staged(proposal, proposals, book, now)
    drop(proposals, parse_ranges("Z3A Z33.1 Z34" if lost or now == "puerperium" else "Z33.1 Z34"), book)


def leaves_open(code: str, condition: str, system: str) -> bool:
    """Whether a code of the chapter says of a condition only which organs it is of, so that both are coded.

    >>> leaves_open("O99.519", "J45.909", "icd10cm"), leaves_open("O23.40", "N39.0", "icd10cm")
    (True, False)
    """
    return any(
        keeps and gives["open"][:_STEM] == code[:_STEM] and within(condition, codes)
        for codes, gives, keeps, _ in _chapter(system)
    )


_STEM: Final = len("O99.5")


def _complicates(proposal: ProposedCode, proposals: ProposedCodes, book: CodeBook, now: str) -> None:
    """Add the chapter's code for a condition of another chapter."""
    for codes, gives, keeps, reason in _chapter(book.system):
        if within(book.codes[proposal.concept], codes):
            at = book.position_of_code.get(gives[now])
            if at is not None:
                said = f"{reason} in a maternity record (I.C.15.a.1): {book.codes[proposal.concept]}"
                add(proposals, at, proposal.numbers, proposal.strength, affirmed=True, remark=said)
                if not keeps:
                    del proposals[proposal.concept]
            return


def _staged(proposal: ProposedCode, proposals: ProposedCodes, book: CodeBook, now: str) -> None:
    """Put a code of another trimester, or none, where the record stands."""
    name = book.names[proposal.concept]
    wanted = _STAGES.get(now)
    bare = _STAGED.sub("", name)
    if wanted is None or wanted in name or bare == name:
        return
    for at in _category(book, book.codes[proposal.concept][:3]).values():
        other = book.names[at]
        if wanted in other and _STAGED.sub("", other) == bare and book.billable[at]:
            exchange(proposals, proposal, at, f"{wanted}: {book.codes[proposal.concept]}")
            return


def _category(book: CodeBook, category: str) -> Mapping[str, int]:
    """The codes of a category with their positions."""
    found: dict[str, int] = {}
    queue = [book.position_of_code[category]]
    while queue:
        at = queue.pop()
        found[book.codes[at]] = at
        queue += book.children[at]
    return found


@cache
def _chapter(system: str) -> tuple[tuple[Ranges, Mapping[str, str], bool, str], ...]:
    return tuple(
        (parse_ranges(row["codes"]), row, bool(row["keeps"]), row["reason"]) for row in read_rows("obstetric", system)
    )
