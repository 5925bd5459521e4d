"""Only learning: takes your Qwen session from your own browser, for a bridge that runs elsewhere on this machine.

`mitmdump -s addons/credentials.py --listen-host 127.0.0.1 -p 8081`, and that port as the browser's proxy. It decrypts
Qwen's site and nothing else, sends nothing itself, and writes `sessions.json` in the folder `qwen_state`, which a
bridge with the same `qwen_state` reads. Options, as for `addons/bridge.py`: `qwen_state`, `qwen_upstream`.
"""

import sys
from pathlib import Path

# mitmproxy puts only this folder on the path, and only while it loads the script.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from qwen_bridge.proxy.learning import LearningAddon

addons = [LearningAddon()]
