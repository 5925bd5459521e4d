"""Where anchors outlive the process: keys of histories → nodes of Qwen's tree.

`MemoryStore` keeps them while the process runs, `SQLiteStore` in one file in the user's data folder, `RedisStore` in a
Redis or Valkey that several bridges share. `schema` owns the layout of the file and its versions, `redis_scripts` that
of Redis, `limits` the bounds all stores keep. Every store fulfils `ports.ConversationStore` and passes
the same suite, `tests/store/test_contract.py`.

Rule: hashes and ids only, never the text of a conversation; bounded in number; and a store that cannot answer says
`StoreUnavailable` and costs tokens, never correctness. A file it cannot read is left as it is: it may be the user's.

It must not know: how keys are made, what is planned with an anchor, or that mitmproxy exists.
"""
