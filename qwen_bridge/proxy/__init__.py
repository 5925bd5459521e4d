"""mitmproxy's side: the only room that imports mitmproxy.

Primitives: ``BridgeAddon`` (hooks and options), ``BridgeStream`` and ``BridgeHttpLayer`` (our way through mitmproxy's
HTTP layer), ``Guard`` (which traffic is ours, and what must never be connected), ``Turn`` (one exchange as the proxy
sees it), the content view.

Rule: fail closed. A hook that raises would let mitmproxy send the original prompt and the user's OpenAI key to the
original host. So the stream itself, not a hook, decides whom a request belongs to, and a request of ours has no path to
any host but Qwen; every hook body runs under a guard; and connections to OpenAI are refused when they are opened. Each
of these three holds without the others.

The room drives exchanges and decides nothing about them: it knows neither OpenAI's nor Qwen's formats.
"""
