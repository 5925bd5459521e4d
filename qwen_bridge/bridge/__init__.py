"""Composition: settings, store, client and clock become a `Bridge` that answers requests.

`bridge` joins the parts, each of which owns one thing the bridge keeps between requests: `clients` and `profiles` say
who asks and with which Qwen account; `admission` when a request may go on; `conversations` where it continues;
`catalog` which models there are; `choices` what the settings mean for an exchange; `attaching`, `caching`,
`recordings` and `tidying` carry long texts up, keep answers, write exchanges down and clear chats away; `overview` and
`cautions` tell the user how things stand; `machine` is the real clock and source of ids.

Rule: the only room that chooses effects. It knows `exchange` and below, the store and Qwen's client, but neither
mitmproxy nor a socket, so that any front end can drive it. Its parts meet in `bridge`; what two of them share lies
below.
"""
