"""Tool calls: the model's text becomes calls, and the client's tools become text for the model.

Primitives: `ToolCallExtractor` (a stage from events to events), `Catalogue` (the declared tools and what a written
name means), `grammar.read_call` (one call at the start of a text, in any dialect), `policy` (what may be released,
as a table), `teach` (tools into a prompt), `write_xml` and `neutralise` (what an XML client must and must not see),
`report` (what was repaired and why something was withheld).

The way of a text: `gate` lets prose through and stops at an opener, `held` buffers until a call is whole, `grammar`
reads it, `arguments` gives the values their types, `policy` decides, `extractor` sends it whole or says it did not.

Rule: a call is released whole or not at all; what is a value stays as it was, byte for byte; two readings are none.
This room knows nothing of Qwen's wire, of conversations, of HTTP, and of the clock.
"""
