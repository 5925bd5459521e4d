"""`/_simulator/…`: what tests and benches use to prepare the service and to look into it. No credentials needed.

=================================  ==================================================================================
POST /_simulator/script            `{"answers": [ … ]}` (`script.py`) → `{"queued": n}`; 400 names what is unknown
GET /_simulator/ledger             `{"turns": [ … ], "refused": [ … ]}` (`ledger.py`)
POST /_simulator/reset             forget chats, files, script, ledger and who signed in
POST /_simulator/punish            `{"account": name}`: the firewall wants a check from it, until it is passed
GET /_simulator/faults             the names of all faults; with `?describe=1` an object name → description
GET /_simulator/chats              every chat with its tree
=================================  ==================================================================================
"""

from __future__ import annotations

from qwen_bridge.simulator.faults import FAULTS
from qwen_bridge.simulator.requests import Reply, Request
from qwen_bridge.simulator.script import ScriptError
from qwen_bridge.simulator.world import World

PREFIX = "/_simulator/"


def control(world: World, request: Request) -> Reply:
    """Answer one control request."""
    match request.method, request.path.removeprefix(PREFIX):
        case "POST", "script":
            return _script(world, request)
        case "GET", "ledger":
            return _plain(world.ledger.to_json())
        case "POST", "reset":
            world.reset()
            return _plain({"reset": True})
        case "POST", "punish":
            return _punish(world, request)
        case "GET", "faults":
            described = {name: fault.says for name, fault in FAULTS.items()}
            return _plain(described if "describe" in request.query else list(described))
        case "GET", "chats":
            return _plain([chat.to_json() for chat in world.chats])
    return _plain({"error": f"no such control: {request.method} {request.path}"}, 404)


def _plain(value: object, status: int = 200) -> Reply:
    return Reply.json_of(value, status)


def _script(world: World, request: Request) -> Reply:
    try:
        return _plain({"queued": world.queue(request.json())})
    except ScriptError as error:
        return _plain({"error": str(error)}, 400)
    except ValueError:
        return _plain({"error": "the script is not JSON"}, 400)


def _punish(world: World, request: Request) -> Reply:
    try:
        account = request.json()["account"]
    except (ValueError, KeyError, TypeError):
        return _plain({"error": "no account is named"}, 400)
    world.punished.add(str(account))
    world.passed.clear()
    return _plain({"punished": sorted(world.punished)})
