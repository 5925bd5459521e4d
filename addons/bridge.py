"""The bridge, whole: `mitmdump -s addons/bridge.py`.

Options, each settable with `--set NAME=VALUE`, as an environment variable in capitals, or in `config.toml` without the
prefix; `mitmdump -s addons/bridge.py --options` lists all with their defaults:

  qwen_token, qwen_cookies, qwen_bx_umidtoken, qwen_user_agent   your Qwen session
  qwen_model            the Qwen model for clients that insist on an OpenAI name
  qwen_model_aliases    more names, as name=model pairs
  qwen_thinking         auto, on or off
  qwen_upstream         where Qwen is (or the simulator)
  qwen_state            folder of the conversation index
"""

import sys
from pathlib import Path

# mitmproxy puts only this folder on the path, and only while it loads the script.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from qwen_bridge.proxy.addon import BridgeAddon

addons = [BridgeAddon()]
