"""Cases that nobody has seen: good calls, written in every dialect, broken in every way of the taxonomy.

Primitives: `material` (tools, arguments, bodies), `forms` (a call as tokens of a dialect), `tag_defects`,
`param_defects` and `json_defects` (what can be wrong with one, from knowledge/toolcalls.md 2, and what its §3 wants),
`prose` (what looks like a call and is none), `cuts` (answers that end too early), `invent` (all of it, from a seed).

Rule: an expectation comes from the policy, never from what the code makes of the case; a case is a line of the corpus.
"""
