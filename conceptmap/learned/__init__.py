"""Learned codes: what coded notes taught, applied to a note: which codes its coders would give, and on what it rests.

READ FIRST in this folder. `note_facts` is what is known of a note and its possible codes before anything is learned,
`associations` what words and mentions of training notes say of codes, `relatives` the codes beside, above and below
those that mentions lead to, `near_windows` what vectors find near its words, `features` all of it as numbers,
`models` what weighs them, `code_adapter` applies it all, `store` is the folder on disk. How it is trained is in
`conceptmap.learning.learn_codes`.
"""
