"""A script for mitmdump (`-s`): every log record of level ERROR or above, and its traceback, also into a file.

The file is the one that `CHAOS_ERRORS` names. mitmdump's own output shows no levels where it is no terminal.
"""

from __future__ import annotations

import logging
import os


class _Errors:
    def load(self, _loader: object) -> None:
        handler = logging.FileHandler(os.environ["CHAOS_ERRORS"], encoding="utf-8")
        handler.setLevel(logging.ERROR)
        handler.setFormatter(logging.Formatter("%(asctime)s %(name)s: %(message)s"))
        logging.getLogger().addHandler(handler)


addons = [_Errors()]
