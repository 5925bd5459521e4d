"""The site around the service, as far as a browser needs it: a page to sign in and ask, and the firewall's check.

Paths and forms of signing in are those of the protocol notes, section 1. The page is ours, and so are what the check
sends and its cookie's value: no capture shows them, only that the cookies are different once a person has passed it.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from hashlib import sha256

from qwen_bridge.simulator.refusals import Refused
from qwen_bridge.simulator.requests import Reply, Request
from qwen_bridge.simulator.world import World

PASSWORD = "sim-password"  # noqa: S105  (of everybody)
CHECK = "/_____tmd_____/punish"
PASSED = "/_____tmd_____/verify"
AUTHS = "/api/v1/auths"
_DAY = 86_400
_COOKIE = "Path=/; Secure; SameSite=None"  # the weakest that a site may choose: other sites' pages send it too


def answer(world: World, request: Request) -> Reply | None:
    """The site's answer, None for a path that is none of its."""
    match request.method, request.path:
        case "GET", "/":
            return _page(_APP.replace("@umid@", json.dumps(world.settings.umid)), ("acw_tc", world.ids.uuid()))
        case "GET", "/_____tmd_____/punish":
            return _page(_CHECK)
        case "POST", "/_____tmd_____/verify":
            return _pass(world)
        case "POST", "/api/v1/auths/signin":
            return _sign_in(world, request)
        case "GET", "/api/v1/auths/signout":
            return _json({"status": True}, f"token=; Max-Age=0; {_COOKIE}")
        case "GET", "/api/v1/auths/":
            account = account_of(world, request.cookie("token"))
            if account is None:
                return Refused("unauthorized").reply(world.ids.uuid())
            return Reply.json_of({"id": account, "email": account, "role": "user"})
    return None


def account_of(world: World, token: str | None) -> str | None:
    """Whose token it is: one of the settings, or of somebody who has signed in."""
    return world.settings.accounts.get(token or "", world.signed_in.get(token or ""))


def punished(world: World, request: Request, account: str) -> bool:
    """Whether the firewall wants the account's check first; passing it is a cookie."""
    return account in world.punished and request.cookie("x5sec") not in world.passed


def _sign_in(world: World, request: Request) -> Reply:
    """Any name with the one password, hashed as the site's page does it."""
    try:
        given = request.json()
        name, password = str(given["email"]), given["password"]
    except (ValueError, KeyError, TypeError):
        return Reply.json_of({"detail": "Bad Request"}, 400)
    if password != sha256(PASSWORD.encode()).hexdigest():
        return Reply.json_of({"detail": "The email or password provided is incorrect."}, 400)
    token = _token(name, int(world.clock.now()) + 30 * _DAY, world.ids.uuid())
    world.signed_in[token] = name
    return _json(
        {"token": token, "id": name, "role": "user"}, f"token={token}; HttpOnly; Max-Age={30 * _DAY}; {_COOKIE}"
    )


def _token(name: str, end: int, salt: str) -> str:
    """A JSON web token with a signature of no worth."""
    parts = (b'{"alg":"none"}', json.dumps({"id": name, "exp": end}).encode(), salt.encode())
    return ".".join(urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


def _pass(world: World) -> Reply:
    clearance = world.ids.uuid()
    world.passed.add(clearance)
    return _json({"result": "ok"}, f"x5sec={clearance}; {_COOKIE}")


def _json(value: object, cookie: str) -> Reply:
    plain = Reply.json_of(value)
    return Reply(body=plain.body, headers=(("set-cookie", cookie),))


def _page(html: str, cookie: tuple[str, str] | None = None) -> Reply:
    headers = (("set-cookie", f"{cookie[0]}={cookie[1]}; HttpOnly; {_COOKIE}"),) if cookie else ()
    return Reply(content_type="text/html; charset=utf-8", body=html.encode(), headers=headers)


_CHECK = """\
<!doctype html><title>Check</title><button onclick="pass_check()">I am a person</button>
<script>
async function pass_check() {
  await fetch("/_____tmd_____/verify", {method: "POST"});
  location.href = "/";
}
</script>
"""

_APP = """\
<!doctype html><title>Qwen (simulated)</title>
<form onsubmit="sign_in(email.value, password.value); return false">
  <input name="email" placeholder="e-mail"><input name="password" type="password" placeholder="sim-password">
  <button>Sign in</button></form>
<form onsubmit="ask(text.value); return false"><input name="text" placeholder="message"><button>Send</button></form>
<pre id="answer"></pre>
<script>
const umid = @umid@;
async function call(method, path, body) {
  const headers = {"content-type": "application/json", "source": "web", "version": "0.3.11", "bx-v": "2.5.36",
                   "bx-umidtoken": umid, "bx-ua": "231!simulated", "x-request-id": crypto.randomUUID()};
  return fetch(path, {method, headers, body: body && JSON.stringify(body)});
}
async function sign_in(email, password) {
  const bytes = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(password));
  const hash = Array.from(new Uint8Array(bytes), byte => byte.toString(16).padStart(2, "0")).join("");
  const answer = await fetch("/api/v1/auths/signin", {method: "POST", body: JSON.stringify({email, password: hash})});
  return answer.status;
}
async function who() { return (await (await fetch("/api/v1/auths/")).json()).id; }
async function sign_out() { return (await fetch("/api/v1/auths/signout")).status; }
async function ask(text) {
  const model = "qwen3-max", now = Math.floor(Date.now() / 1000);
  const opened = await (await call("POST", "/api/v2/chats/new", {
    title: "New Chat", models: [model], chat_mode: "normal", chat_type: "t2t", timestamp: Date.now()})).json();
  if (opened.ret) { location.href = "/_____tmd_____/punish"; return "check"; }
  const chat_id = opened.data.id;
  const answer = await call("POST", "/api/v2/chat/completions?chat_id=" + chat_id, {
    stream: true, version: "2.1", incremental_output: true, chat_id, chat_mode: "normal", model, parent_id: null,
    messages: [{fid: crypto.randomUUID(), parentId: null, childrenIds: [crypto.randomUUID()], role: "user",
      content: text, user_action: "chat", files: [], timestamp: now, models: [model], chat_type: "t2t",
      feature_config: {thinking_enabled: false, output_schema: "phase"}, extra: {meta: {subChatType: "t2t"}},
      sub_chat_type: "t2t", parent_id: null}], timestamp: now});
  const body = await answer.text();
  if (body.includes("FAIL_SYS_USER_VALIDATE")) { location.href = "/_____tmd_____/punish"; return "check"; }
  let said = "";
  for (const line of body.split("\\n").filter(line => line.startsWith("data:"))) {
    const frame = JSON.parse(line.slice(5));
    said += frame.choices ? frame.choices[0].delta.content : "";
  }
  document.getElementById("answer").textContent = said || body;
  return said || body;
}
</script>
"""
