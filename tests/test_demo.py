"""The demo, as a person starts it."""

from __future__ import annotations

import re
import subprocess
import sys


def test_the_demo_holds_one_conversation_in_one_chat() -> None:
    """Three questions, three answers, and the model repeats the number it had invented."""
    command = [sys.executable, "-m", "qwen_bridge.cli", "demo"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    numbers = re.findall(r"number (?:is|was) (\d{6})", done.stdout)
    assert len(numbers) == 2
    assert numbers[0] == numbers[1]
    assert done.stdout.count("one message of") == 3
