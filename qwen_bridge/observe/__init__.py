"""What people get to see of the bridge's work: log lines now, counters and readable flows with them.

Primitives: ``configure`` (structlog through the standard library, so that mitmproxy's records and ours share handlers,
levels and form) and ``redact`` (in ``redaction``, the one place that knows what a secret looks like).

Rule: nothing leaves this room unredacted, nothing here changes what the bridge does, and nothing is logged per event of
a stream. The room knows no wire format: it is given names and values.
"""
