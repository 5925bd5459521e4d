"""The dialects: how each form of call names its tool.

Primitive: `Head`, what a head says (the tool's name, and where its arguments begin). Each module here reads one kind
of head and exports `read`; `heads.HEADS` is the registry, in order of trial. Arguments and closers are not theirs:
the grammar reads those alike behind every head, because models mix the forms.

Rule: a head counts only where the token in the place of the name is read as one; whether such a tool exists is the
catalogue's to say.
"""
