"""Only the content view: shows turns of the bridge readably in mitmweb and mitmproxy, also from saved flows.

`mitmweb -s addons/inspect.py -r saved.flows`; it takes no options and touches no traffic.
"""

import sys
from pathlib import Path

from mitmproxy import contentviews

# mitmproxy puts only this folder on the path, and only while it loads the script.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from qwen_bridge.proxy.views import QwenBridgeView

contentviews.add(QwenBridgeView)
