// node serve.js express|fastify PORT PROCESSES: GET /api/openai-assistant/current, and the
// same at /express or /fastify, for the web server in front.
"use strict";

const cluster = require("node:cluster");
const { open } = require("./store.js");

const [framework, port, processes] = process.argv.slice(2);
const secret = process.env.JWT_SECRET;
const paths = ["/api/openai-assistant/current", `/${framework}`];

function answer(store) {
  const assistantId = store.current("default");
  const message = "Current assistant retrieved.";
  const now = new Date().toISOString();
  const status = {
    assistantId,
    lastRefresh: now,
    refreshInterval: 86400000,
    needsRefresh: false,
  };

  return { success: true, message, data: { assistantId, status, message }, timestamp: now };
}

function express(store) {
  const jwt = require("jsonwebtoken");
  const app = require("express")();

  app.get(paths, (request, response) => {
    try {
      const token = (request.headers.authorization || "").replace(/^Bearer /, "");
      jwt.verify(token, secret, { algorithms: ["HS256"] });
    } catch {
      return response.status(401).json({ success: false });
    }
    response.json(answer(store));
  });
  app.listen(Number(port), "127.0.0.1");
}

function fastify(store) {
  const app = require("fastify")();

  app.register(require("@fastify/jwt"), { secret, verify: { algorithms: ["HS256"] } });
  for (const path of paths)
    app.get(path, { onRequest: (request) => request.jwtVerify() }, async () => answer(store));
  app.listen({ port: Number(port), host: "127.0.0.1" });
}

if (cluster.isPrimary && Number(processes) > 1) {
  for (let i = 0; i < Number(processes); i++) cluster.fork();
} else {
  process.env.NODE_ENV = "production";
  ({ express, fastify })[framework](open(process.env.BENCH_DB));
}
