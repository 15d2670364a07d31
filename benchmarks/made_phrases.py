"""Made notes in words that ICD-10-CM lacks, with the codes and the phrases that a coder would mark: no real patient's.

Each code is told in one of three wordings (of fifty codes written by hand, of others three words by chance),
now and then in a plain one, one word in eight misspelt; other wordings are denied or told of a relative, and not coded.
Coders leave out one code in twelve, and mark five of six.
"""

from __future__ import annotations

import random
from collections.abc import Mapping

import polars as pl

WORDINGS = """
E11.65|sugars running sky high|glucose log all over the place|poor sugar control at home|diabetes with hyperglycemia
E11.42|burning feet from the sugar|stocking numbness of the sugar|sugar nerves in both feet|diabetic polyneuropathy
I50.9|pump not keeping up|waterlogged with a weak ticker|weak ticker on water pills|heart failure
I25.10|plumbing of the ticker narrowed|widowmaker stented before|ballooned ticker pipes|coronary artery disease
I48.91|ticker out of rhythm|quivering upper chambers|irregularly irregular beat on the strip|atrial fibrillation
I10|pressures up at every visit|takes two pills for pressure|cuff readings persistently up|hypertension
J44.1|smoker lungs tight again|wheezy flare needing bursts of steroid|puffer dependent lungs flaring|COPD exacerbation
J45.909|twitchy airways since school|puffer before sports|seasonal wheeze on a puffer|asthma
J18.9|gunk in the right base|new whiteout with fever and rusty phlegm|bug in the lung treated with levo|pneumonia
N18.30|kidneys at half speed|filters working at half|beans at forty percent|chronic kidney disease stage 3
N17.9|beans took a hit|creat doubled overnight|filters shut down after the dye|acute kidney injury
N39.0|dirty urine with bladder burning|bug in the bladder|water works infected|urinary tract infection
K21.9|food coming back up at night|acid washing up the gullet|on a purple pill for the gullet|reflux
K59.00|no movement for a week|backed up from the pills|bound up and straining|constipation
K80.20|rocks in the sac below the liver|sac full of gravel|gravel seen on the belly scan|gallstones
K57.30|pouches along the lower bowel|pockets on the scope|pocked lower bowel|diverticulosis
E03.9|slow thyroid on replacement|sluggish neck gland|takes synthetic hormone every dawn|hypothyroidism
E78.5|fats up on the panel|on a statin for the lipids|bad fats over target|hyperlipidemia
E66.9|carries far too much weight|well over the healthy weight|big frame with a large belly|obesity
E87.6|potassium in the basement|low potass needing riders|runs of banana salt for the low|hypokalemia
E87.1|salt in the basement|sodium of the dilute kind|watered down salt level|hyponatremia
D64.9|blood count running thin|pale with a thin count|thin blood on the panel|anemia
D50.9|iron tank empty|rusty stores gone|ferritin at the floor|iron deficiency anemia
D69.6|clotting flakes few|low flakes on the smear|flakes under a hundred|thrombocytopenia
F32.A|mood in the dumps|no joy for months|tearful and flat most days|depression
F41.9|nerves on edge all day|worry that never stops|jittery with worry|anxiety
G47.33|stops breathing while asleep|wears a mask to bed|gasps at night with a machine|obstructive sleep apnea
G43.909|sick headaches with zigzags|throbbing one sided heads|dark room heads monthly|migraine
G40.909|shaking fits on levetir|history of fits on pills|blank spells with jerks|epilepsy
G20.A1|pill rolling and shuffling|mask face with cogwheels|shuffling and stiff on levodopa|Parkinson's disease
M17.9|bone on bone at the knee|worn out knee hinge|knees grinding down|osteoarthritis of knee
M81.0|chalky thin bones|bones thin on the scan|thin skeleton on weekly pill|osteoporosis
M10.9|big toe on fire|crystals in the toe joint|toe flares after beer|gout
M54.50|bad back for years|lumbar ache from lifting|aching low down in the spine|low back pain
L03.90|red hot spreading skin|skin bug spreading up|angry red skin marching|cellulitis
B35.1|thick yellow nails|crumbly nails|nails with the mold|onychomycosis
H40.9|pressure in the eyes up|on drops for eye pressure|cupped discs on drops|glaucoma
H91.90|hard of hearing both sides|wears aids in both ears|needs shouting at|hearing loss
N40.0|big prostate up at night|slow stream big gland|gland squeezing the pipe|benign prostatic hyperplasia
Z87.891|kicked the habit years back|gave up the smokes|ex pack a day|former smoker
F17.210|pack a day still|half a pack and no plan to stop|still puffing daily|cigarette smoker
F10.20|a fifth of vodka daily|drinks from dawn|shakes without a drink|alcohol dependence
Z79.4|injects long and short acting|pens with every meal|needles for the sugar|long term insulin use
Z79.01|on a thinner for the clots|takes a thinner nightly|warfarin clinic follows|long term anticoagulant
Z95.0|box under the collarbone|pacer checked in spring|has a pacer|pacemaker
Z96.651|new right knee hinge|metal right knee|right knee swapped out|artificial right knee joint
Z90.49|sac taken out years back|tail of the bowel out as a teen|piece of gut removed|appendix removed
I73.9|cramping calves at one block|poor pulses in the feet|leg pipes narrowed|peripheral vascular disease
I63.9|face droop with new clot upstairs|brain attack this week|lost the left side overnight|stroke
I26.99|clot traveled to the lungs|saddle clot on the scan|lung clot on a drip|pulmonary embolism
"""
TOLD = """On arrival {}. Known for {}. Team notes {}. Also {}. Seen for {}. Today {}. By the chart {}.
Remarkable for {}. Clinic follows {}. Daughter reports {}. Plan made for {}. Ongoing issue of {}."""
DENIED = ["Denies {}.", "No {}.", "Father had {}.", "Mother with {}.", "Never {}."]
FILLER = """Slept well and ate breakfast. Walked the hall with the aide. Family at the bedside. Vitals reviewed. Labs
drawn in the morning. Seen by the dietitian. Will call the clinic on Monday. Lives with a sister. Works as a teacher.
Retired from the railway. Chart reviewed in full. Plan talked over with the patient. Agreed with the plan. Up in a chair
for lunch. Awake and pleasant. Returned from the scan. Waiting for a ride home. Pharmacy checked the list. Enjoys the
garden. Transferred from the floor. Social work came by. Consent on file. Diet advanced. Home with services."""
HOW = "angry bad big bright burning cold dark dead dirty dry dull empty fat flat hard heavy hot long low old".split()
WHAT = "arm back belly bone chest ear elbow eye face finger foot hand head heel hip knee leg neck nose shoulder".split()
DOES = "aching block catching clicking drop freezing grinding heat knot leak pain plug rubbing shock swelling".split()
SPELT = 1 / 8
GIVEN, MARKED, PLAIN = 11 / 12, 5 / 6, 1 / 6


def made_notes(n: int, more: Mapping[str, str], seed: int = 0) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Columns note_id, text; and note_id, code, evidence: the same for the same numbers.

    Args:
        n: notes.
        more: further codes with their names; their wordings are put together of three words.
        seed: of the dice.
    """
    dice = random.Random(seed)
    rows = [line.split("|") for line in WORDINGS.strip().splitlines()]
    triples = [" ".join(dice.choice(words) for words in (HOW, WHAT, DOES)) for _ in range(3 * len(more))]
    rows += [[code, *triples[3 * at : 3 * at + 3], name] for at, (code, name) in enumerate(more.items())]
    common = [1 / (1 + place) ** 0.7 for place in range(len(rows))]
    dice.shuffle(rows)
    told, filler = (" ".join(text.split()).split(". ") for text in (TOLD, FILLER))
    notes, codes = [], []
    for number in range(n):
        said: list[str] = []
        chosen = dict.fromkeys(dice.choices(range(len(rows)), common, k=dice.randint(5, 10)))
        for at in chosen:
            code, *wordings = rows[at]
            words = wordings[3] if dice.random() < PLAIN else _misspelt(dice.choice(wordings[:3]), dice)
            said.append(f"{dice.choice(told).rstrip('.').format(words)}.")
            if dice.random() < GIVEN:
                codes.append((f"n{number:04}", code, words if dice.random() < MARKED else None))
        others = [at for at in dice.choices(range(len(rows)), common, k=3) if at not in chosen]
        said += [dice.choice(DENIED).format(dice.choice(rows[at][1:4])) for at in others]
        said += [f"{line.rstrip('.')}." for line in dice.sample(filler, 6)]
        dice.shuffle(said)
        notes.append((f"n{number:04}", " ".join(said)))
    given = pl.DataFrame(codes, schema=["note_id", "code", "evidence"], orient="row")
    return pl.DataFrame(notes, schema=["note_id", "text"], orient="row"), given


def _misspelt(words: str, dice: random.Random) -> str:
    """One word in eight of five letters and more lacks a letter, or has one twice."""
    return " ".join(_slip(word, dice) if len(word) > 4 and dice.random() < SPELT else word for word in words.split())


def _slip(word: str, dice: random.Random) -> str:
    at = dice.randrange(1, len(word) - 1)
    return word[:at] + (word[at + 1 :] if dice.random() < 0.5 else word[at] + word[at:])
