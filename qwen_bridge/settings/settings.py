"""One frozen `Settings`: the table from which environment, TOML file, mitmproxy options and docs come.

A value is taken from the first place that has it: an option (`--set qwen_NAME=…`), the environment (`QWEN_NAME`), the
TOML file, the default. The TOML file is `config.toml` in the user's configuration folder, or the file that
`QWEN_CONFIG` names. Unknown keys there and among the options are errors: a typing mistake must not silently leave a
default in force. In the environment unknown names are not looked at: other programs use the same prefix.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from platformdirs import user_data_path
from pydantic import Field, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from qwen_bridge.settings.access import ClientKeys, ClientProfiles, Profiles, contradiction
from qwen_bridge.settings.egress import Egress, ProxyAddress, egress_of
from qwen_bridge.settings.file import ENVIRONMENT, config_path
from qwen_bridge.settings.values import (
    LOOPBACK,
    OFF,
    AccountDigest,
    Aliases,
    Folder,
    HeaderLine,
    HostNames,
    Names,
    OffOrFolder,
    RedisAddress,
    SecretLine,
    StoreKind,
    ToolAliases,
    UpstreamAddress,
    WebOrigins,
    sentence,
)


class SettingsError(ValueError):
    """A setting cannot be used. The message names it, says why and what is possible; one line per setting."""


class Settings(BaseSettings):
    """All that a user may choose. Times are in seconds, sizes in bytes."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix=ENVIRONMENT, env_ignore_empty=True, hide_input_in_errors=True
    )

    upstream: UpstreamAddress = Field(
        "https://chat.qwen.ai",
        description="Where the Qwen web chat is. Plain http is accepted for this machine only (the simulator).",
    )
    upstream_proxy: ProxyAddress = Field(
        None,
        description="A proxy for everything that goes to Qwen, your browser's visits through the bridge too, and "
        "nothing else: `http://HOST:PORT` or `socks5://HOST:PORT`, with `USER:PASSWORD@` before the host if asked for.",
    )
    openai_hosts: HostNames = Field(
        ("api.openai.com",),
        description="Hosts for which the bridge answers when a client comes through the proxy, with all below them, "
        "such as `eu.api.openai.com`.",
    )
    hosts: HostNames = Field(
        (),
        description="More names under which clients call the bridge, such as `bridge.example.com`. Addresses and names "
        "without a dot need not be listed.",
    )
    web_origins: WebOrigins = Field(
        (),
        description="Web pages that may use the API, by their origin, such as `http://localhost:3000`. All others are "
        "refused: a page could spend your Qwen account.",
    )
    status_page: Literal["local", "open", "off"] = Field(
        "local",
        description="Who may see the bridge's own pages (status and counters; no secrets, no text): this machine, "
        "everybody, or nobody.",
    )
    token: SecretLine = Field(None, description="The `token` cookie of your Qwen session.")
    cookies: SecretLine = Field(None, description="The whole Cookie header of your Qwen session; best copied whole.")
    bx_umidtoken: SecretLine = Field(None, description="The `bx-umidtoken` request header of your browser.")
    user_agent: HeaderLine = Field(None, description="The User-Agent of the browser that the cookies come from.")
    learn: Literal["auto", "on", "off"] = Field(
        "auto",
        description="Learn the Qwen session from your browser, when it opens Qwen's site through this proxy; `auto`: "
        "as long as `token` and `cookies` are not set. Else Qwen's site passes undecrypted.",
    )
    account: AccountDigest = Field(
        None,
        description="The account whose learned session is used (`qwen-bridge sessions` shows it). If not set: that of "
        "`token` or `cookies`, or else the one learned first.",
    )
    profiles: Profiles = Field(
        None,
        description="More Qwen sessions, as tables `[profiles.NAME]` with `token`, `cookies`, `bx_umidtoken` and "
        "`user_agent`, or with the `account` of a learned one.",
    )
    client_keys: ClientKeys = Field(
        None,
        description="Who may use the bridge: names and keys, as `name=key`. A key may be given as its digest; "
        "`qwen-bridge key NAME` makes both. If not set, every program on this machine may, with any key.",
    )
    client_profiles: ClientProfiles = Field(
        None, description="Which session a client speaks with, as `client=profile`; all others use the one above."
    )
    client_rate: int = Field(0, ge=0, description="Requests a minute that one client may send; 0 for no limit.")
    open_to_network: bool = Field(
        False,
        description="Serve other machines without `client_keys`: whoever reaches the port then uses your Qwen account.",
    )
    header_limit: int = Field(64 * 1024, ge=1024, description="Largest headers taken from a client.")
    model: str = Field("qwen3-max", description="The Qwen model for clients that ask for an OpenAI model.")
    model_aliases: Aliases = Field(
        default_factory=dict, description="More names for Qwen models, as `name=model` separated by commas."
    )
    thinking: Literal["auto", "on", "off"] = Field(
        "auto", description="Let the model think first: as the client asks (`auto`, otherwise no), always, never."
    )
    parent_from: Literal["response_id", "parent_id"] = Field(
        "response_id",
        description="Which id of the answer the next turn continues from. `parent_id` follows a set of early notes; it "
        "leaves the assistant's own words out of the context.",
    )
    tool_format: Literal["auto", "hermes", "qwen_xml"] = Field(
        "auto", description="How tool calls are taught to the model: as its family was trained (`auto`), or one form."
    )
    tool_channel: Literal["text", "local_mcp"] = Field(
        "text",
        description="How tools are told to the model: in the text, or on the site's own channel for them (`local_mcp`, "
        "known from one report only), with the text where the site refuses that.",
    )
    harmless_tools: Names = Field(
        (), description="More tools that only read, list, search or ask: their calls may lack closing marks."
    )
    tool_aliases: ToolAliases = Field(
        default_factory=dict, description="More names for declared tools, as `written=declared` separated by commas."
    )
    text_after_call: bool = Field(False, description="Give XML clients what was written behind the first call.")
    several_xml_calls: bool = Field(True, description="Give XML clients more calls behind one that changes something.")
    system_changes: Literal["diff", "resend", "ignore"] = Field(
        "diff",
        description="When a client changes its system prompt in mid-conversation: tell Qwen the changed lines, or all "
        "of it where that is shorter (`diff`), always all of it, or nothing.",
    )
    state: Folder = Field(
        default_factory=lambda: user_data_path("qwen-bridge"), description="Folder for the conversation index."
    )
    store: StoreKind = Field(
        "sqlite",
        description="Where conversations are remembered: a file below `state`, a Redis that several bridges share, or "
        "nowhere but in this process.",
    )
    redis_url: RedisAddress = Field(
        None, description="Address of Redis or Valkey for `store = redis`, like `redis://:PASSWORD@HOST:6379/0`."
    )
    redis_namespace: str = Field(
        "qwen-bridge", min_length=1, description="Bridges on one Redis share their conversations if this is the same."
    )
    conversation_ttl: int = Field(
        30 * 86_400, ge=60, description="A conversation that was not used for so long is forgotten (30 days)."
    )
    max_anchors: int = Field(
        100_000, ge=100, description="Answers to remember at most; the chats not used for longest go first."
    )
    delete_chats: Literal["never", "side", "expired"] = Field(
        "never",
        description="Chats that the bridge deletes at Qwen, only ever its own: none, those of side requests (titles, "
        "better prompts) once answered, or those whose conversation is forgotten after `conversation_ttl`.",
    )
    attempts: int = Field(6, ge=1, le=20, description="Attempts for one request, before its first word is shown.")
    patience: float = Field(60.0, ge=0, description="Longest sum of waits between the attempts for one request.")
    backoff: float = Field(
        1.0, ge=0, description="Factor on the waits between attempts, which begin at a quarter of a second to two."
    )
    cooldown: float = Field(
        900.0,
        ge=0,
        description="How long a session rests after Qwen's firewall asked for a check (twice as long from the second "
        "time on), and how often one without a quota is tried again before Qwen's hours are over; 0 for never.",
    )
    account_streams: int = Field(
        2, ge=0, description="Answers at once on one Qwen account, which bears about two; 0 for no limit."
    )
    spacing: float | None = Field(
        None,
        ge=0,
        description="Least time from one question to the next on one account. If not set: 1 for the real site, which "
        "punishes bursts, and 0 for an `upstream` on this machine, which is a simulator.",
    )
    queue_limit: int = Field(100, ge=0, description="Requests that may wait for their turn on one account.")
    queue_timeout: float = Field(120.0, gt=0, description="Longest wait for a turn on the account.")
    keepalive: float = Field(15.0, gt=0, description="Silence after which a waiting client gets an SSE comment.")
    first_byte_timeout: float = Field(120.0, gt=0, description="Longest wait for Qwen's answer to begin.")
    idle_timeout: float = Field(120.0, gt=0, description="Longest silence within Qwen's answer.")
    client_timeout: float = Field(120.0, gt=0, description="Longest time for which a client may not read its answer.")
    total_timeout: float = Field(
        1800.0, gt=0, description="Longest time for one request, with its place in the queue and every attempt."
    )
    drain: float = Field(
        5.0, ge=0, description="How long running answers may go on once the bridge was told to end; then they are told."
    )
    request_limit: int = Field(32 * 1024 * 1024, gt=0, description="Largest request taken from a client.")
    uploads: Literal["auto", "off"] = Field(
        "auto", description="Send what is too long for one message as an attached text file, or refuse it."
    )
    inline_limit: int = Field(
        90_000, ge=10_000, description="Body sent to Qwen from which on older or long parts travel as a text file."
    )
    message_limit: int = Field(
        117_000, gt=0, description="Largest body sent to Qwen; from about 128 KiB its firewall answers instead."
    )
    cache_ttl: float = Field(
        0.0,
        ge=0,
        description="How long an answer is kept in memory for a request that begins a conversation; 0 for never.",
    )
    cache_entries: int = Field(256, ge=1, description="Answers kept so at most.")
    cache_bytes: int = Field(16 * 1024 * 1024, ge=1024, description="Memory that they may take.")
    record: OffOrFolder = Field(
        "off",
        description="Folder for recordings of exchanges with tools, redacted, for `qwen-bridge export-calls`; it holds "
        "your words and the model's. `off` records nothing.",
    )
    view_limit: int = Field(300, gt=0, description="Flows that mitmweb and mitmproxy keep; the oldest go first.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Strongest first: what the caller gives, the environment, the TOML file."""
        toml = TomlConfigSettingsSource(settings_cls, toml_file=config_path())
        return init_settings, env_settings, toml

    @classmethod
    def load(cls, overrides: Mapping[str, Any] | None = None) -> Self:
        """Read all sources. `overrides` are field names to values, the strongest. Raises `SettingsError`."""
        path = config_path()
        if ENVIRONMENT + "CONFIG" in os.environ and not path.is_file():
            raise SettingsError(f"QWEN_CONFIG names {path}, and there is no such file")
        try:
            return cls(**(overrides or {}))
        except ValidationError as error:
            raise SettingsError("\n".join(sentence(cls.model_fields, item) for item in error.errors())) from None
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise SettingsError(f"{path} cannot be read: {error}") from None

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.upstream_host in self.openai_hosts:
            raise ValueError("upstream and openai_hosts name the same host: nothing would ever reach Qwen")
        if self.store == "redis" and self.redis_url is None:
            raise ValueError("redis_url: must be set for store = redis, like redis://127.0.0.1:6379/0")
        if wrong := contradiction(self.client_keys, self.client_profiles, self.profiles):
            raise ValueError(wrong)
        return self

    @property
    def serves_network(self) -> bool:
        """Whether other machines may use the bridge."""
        return bool(self.client_keys) or self.open_to_network

    @property
    def learns(self) -> bool:
        """Whether sessions are learned from the user's browser, and learned ones used."""
        return self.learn == "on" or (self.learn == "auto" and self.token is None and self.cookies is None)

    @property
    def pause(self) -> float:
        """Seconds from one question to the next on one account.

        Sources say that three to four keep an account unpunished (protocol notes, section 6). An agent waits for its
        answers anyway, mostly for longer than that, so one second costs it nothing and still spreads every burst.
        """
        if self.spacing is not None:
            return self.spacing
        return 0.0 if self.upstream_host in LOOPBACK else 1.0

    @property
    def egress(self) -> Egress | None:
        """The proxy on the way to Qwen."""
        return None if self.upstream_proxy is None else egress_of(self.upstream_proxy.get_secret_value())

    @property
    def recordings(self) -> Path | None:
        """The folder of recordings; None where there are to be none."""
        return None if self.record == OFF else Path(self.record)

    @property
    def upstream_host(self) -> str:
        return (urlsplit(self.upstream).hostname or "").lower()

    @property
    def upstream_port(self) -> int:
        parts = urlsplit(self.upstream)
        return parts.port or (443 if parts.scheme == "https" else 80)

    @property
    def upstream_tls(self) -> bool:
        return self.upstream.startswith("https:")
