"""mitmdump or mitmweb with the bridge in it, for the command line."""

from __future__ import annotations

import difflib
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from mitmproxy import ctx, exceptions, options
from mitmproxy.tools import cmdline
from mitmproxy.tools.dump import DumpMaster
from mitmproxy.tools.main import run
from mitmproxy.tools.web.master import WebMaster

from qwen_bridge.proxy.addon import BridgeAddon
from qwen_bridge.proxy.options import PREFIX


class _Announce:
    """Says that the bridge is up, once its ports are open: it stands behind mitmproxy's own server in the chain."""

    def __init__(self, announce: Callable[[Path], None]) -> None:
        self._announce = announce

    def running(self) -> None:
        if ctx.options.deferred:
            # mitmproxy forgives options nobody knows; here each of them is a typing mistake.
            known = [name.removeprefix(PREFIX) for name in ctx.options.keys()]  # noqa: SIM118  (it is no mapping)
            for name in sorted(ctx.options.deferred):
                near = difflib.get_close_matches(name.removeprefix(PREFIX), known, n=1)
                hint = f"; did you mean {near[0]}?" if near else ""
                logging.getLogger(__name__).error(f"no such option: {name}{hint}")
        elif all(server.is_running for server in ctx.master.addons.get("proxyserver").servers):
            self._announce(Path(ctx.options.confdir).expanduser())


def launch(arguments: Sequence[str], *, web: bool, announce: Callable[[Path], None]) -> None:
    """Run mitmdump, or mitmweb, until it is ended. `arguments` are mitmproxy's own; `announce` is called when it is up,
    with the folder of its certificate authority.

    Exits with status 1 and a sentence when the settings cannot be used or a port cannot be opened.
    """
    # What is written from here on (flows with `-w`, the authority's folder) is for its owner alone.
    os.umask(0o077)
    # A line for each connection says nothing that our own line for each turn does not.
    logging.getLogger("mitmproxy.proxy.server").setLevel(logging.WARNING)

    class Dump(DumpMaster):
        def __init__(self, opts: options.Options) -> None:
            super().__init__(opts)
            self.addons.add(BridgeAddon(), _Announce(announce))

    class Web(WebMaster):
        def __init__(self, opts: options.Options) -> None:
            super().__init__(opts)
            self.addons.add(BridgeAddon(), _Announce(announce))

    try:
        if web:
            run(Web, cmdline.mitmweb, arguments)
        else:
            run(Dump, cmdline.mitmdump, arguments)
    except exceptions.OptionsError as error:
        sys.exit(str(error))
