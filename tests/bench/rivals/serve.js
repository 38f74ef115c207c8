// node serve.js express|fastify PORT PROCESSES: GET /api/openai-assistant/current.
"use strict";

const cluster = require("node:cluster");
const { open } = require("./store.js");

const [framework, port, processes] = process.argv.slice(2);
const secret = process.env.JWT_SECRET;
const path = "/api/openai-assistant/current";

function answer(store) {
  return {
    success: true,
    message: "Current assistant retrieved.",
    data: { assistantId: store.current("default"), status: "active" },
  };
}

function express(store) {
  const jwt = require("jsonwebtoken");
  const app = require("express")();

  app.get(path, (request, response) => {
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
  app.get(path, { onRequest: (request) => request.jwtVerify() }, async () => answer(store));
  app.listen({ port: Number(port), host: "127.0.0.1" });
}

if (cluster.isPrimary && Number(processes) > 1) {
  for (let i = 0; i < Number(processes); i++) cluster.fork();
} else {
  process.env.NODE_ENV = "production";
  ({ express, fastify })[framework](open(process.env.BENCH_DB));
}
