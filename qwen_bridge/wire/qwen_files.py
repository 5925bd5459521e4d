"""Qwen's plain JSON answers about files: the credentials of an upload, the start of a parse, its state (capture 10).

Lenient as `wire.qwen`: only what the bridge uses is named. The state comes as a list in answer to a list of ids, and by
client code as a single object in answer to a single id; both are read.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class _Answer(BaseModel):
    # An error's text shows no value: there are secrets among them.
    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)


class StsData(_Answer):
    """The `data` of `getstsToken`: where the file goes, and the short-lived key that may write it there."""

    access_key_id: str = Field(min_length=1, repr=False)
    access_key_secret: str = Field(min_length=1, repr=False)
    security_token: str = Field(min_length=1, repr=False)
    file_url: str = Field(min_length=1, repr=False)
    file_id: str = Field(min_length=1)
    bucketname: str = Field(min_length=1)
    region: str = Field(min_length=1)


class StsToken(_Answer):
    """Answer of `POST /api/v2/files/getstsToken`."""

    success: bool
    data: StsData


class ParseStarted(_Answer):
    """Answer of `POST /api/v2/files/parse`: `data` is true."""

    success: bool
    data: object = None


class FileState(_Answer):
    """How far one file is."""

    file_id: str | None = None
    status: str | None = None


class ParseStates(_Answer):
    """Answer of `POST /api/v2/files/parse/status`."""

    success: bool
    data: list[FileState] | FileState
