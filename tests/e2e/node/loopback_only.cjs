// node --require loopback_only.cjs PROGRAM: a program that can reach this machine and nothing else.
// What it tried to reach beside is refused like a closed port, and written to the file that STRAYED_TO names.
"use strict";
const { appendFileSync } = require("node:fs");
const { Socket } = require("node:net");

const LOOPBACK = /^(127(\.\d+){3}|::1|localhost)$/;
const { connect } = Socket.prototype;

// Every TCP and TLS connection of Node goes through this method, fetch included, with normalized arguments or without.
Socket.prototype.connect = function (...given) {
  const [first, second] = Array.isArray(given[0]) ? given[0] : given;
  const target = typeof first === "object" ? first : { port: first, host: typeof second === "string" ? second : undefined };
  const host = target.path ? "localhost" : (target.host ?? "localhost");
  if (LOOPBACK.test(host)) return connect.apply(this, given);
  if (process.env.STRAYED_TO) appendFileSync(process.env.STRAYED_TO, `${host}:${target.port}\n`);
  const refused = Object.assign(new Error(`not on this machine: ${host}`), { code: "ECONNREFUSED" });
  process.nextTick(() => this.destroy(refused));
  return this;
};
