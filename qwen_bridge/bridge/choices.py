"""What the settings mean for every exchange: the part of `bridge` that reads them for others."""

from __future__ import annotations

import random

from qwen_bridge.exchange.deadlines import Terms
from qwen_bridge.exchange.habits import Habits
from qwen_bridge.exchange.question import Manner
from qwen_bridge.ports import Clock
from qwen_bridge.recovery.policy import RecoveryPolicy
from qwen_bridge.settings.settings import Settings
from qwen_bridge.toolcalls.catalogue import HARMLESS
from qwen_bridge.toolcalls.policy import ToolSettings


def terms(settings: Settings) -> Terms:
    """What every exchange keeps to."""
    return Terms(
        policy=RecoveryPolicy(settings.attempts, settings.patience, settings.backoff),
        first_byte=settings.first_byte_timeout,
        idle=settings.idle_timeout,
        total=settings.total_timeout,
        keepalive=settings.keepalive,
        unread=settings.client_timeout,
        jitter=random.random,  # spreads the retries of many clients; nobody gains from guessing it
        learning=settings.learns,
    )


def manner(settings: Settings, clock: Clock | None = None) -> Manner:
    """How questions are put."""
    return Manner(
        origin=settings.upstream,
        message_limit=settings.message_limit,
        parent_from=settings.parent_from,
        system_changes=settings.system_changes,
        thinking=settings.thinking,
        tool_format=settings.tool_format,
        tool_channel=settings.tool_channel,
        record=settings.recordings is not None,
        tool_settings=ToolSettings(
            harmless=HARMLESS | set(settings.harmless_tools),
            aliases=settings.tool_aliases,
            text_after_call=settings.text_after_call,
            several_xml_calls=settings.several_xml_calls,
        ),
        inline_limit=settings.inline_limit,
        uploads=settings.uploads == "auto",
        habits=Habits(clock),
    )
