"""Which node of Qwen's tree a client's history belongs to, and what is said there.

A client sends its whole history with every request, Qwen keeps a tree. This room names histories by content
(`canonical`, `keys`), remembers where a named history lies (`anchors`), decides where a request goes (`planner`),
writes the one message that is sent there (`transcript`), and collects the answer as the client will echo it (`answer`).

Rule: a miss costs tokens, a false hit puts a stranger's words into somebody's work. Nothing is matched that was not
verified message by message; there is no fuzzy comparison, no "last chat", no trust in a header. Where two histories
count as one although their bytes differ, `canonical` says so in words.

It must not know: what Qwen's or OpenAI's JSON looks like, how tools are taught to the model (it takes the words for a
call and a result as a parameter), where anchors are stored, what time it is.
"""
