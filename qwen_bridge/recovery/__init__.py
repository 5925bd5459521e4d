"""What to do when an attempt fails: a fault and how far the answer got, in; one of three decisions, out.

Primitives: ``RecoveryPolicy`` and the table it reads, ``Progress`` (what has happened to this request so far) and the
decisions ``Retry``, ``RestartChat`` and ``GiveUp``.

The rule that stands above the table: once the client has seen a word of the answer there is no second attempt,
whatever the fault. A spliced answer has executed half a tool call elsewhere (open-interpreter#291).

The room knows the error tree and nothing of Qwen's wire, of sockets or of time: delays are numbers that somebody else
waits for, and the jitter is drawn by the caller.
"""
