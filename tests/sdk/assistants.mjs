// The official client against /v1/assistants: nothing but baseURL and apiKey are ours.
//
//   node assistants.mjs calls|errors|retries|busy|broken BASE_URL TOKEN [READ_ONLY_TOKEN]
//
// The last line is `N checks`; the first that fails ends it with status 1.

import { strict as assert } from 'node:assert';
import { createServer, request } from 'node:http';
import OpenAI from 'openai';

const [mode, baseURL, apiKey, readOnly] = process.argv.slice(2);
let checks = 0;
const same = (came, expected) => (assert.deepEqual(came, expected), checks++);
const holds = (condition, message) => (assert.ok(condition, message), checks++);

const client = new OpenAI({ baseURL, apiKey });
const assistants = client.beta.assistants;
const weather = {
  type: 'function',
  function: {
    name: 'get_weather',
    description: 'The weather of a place',
    strict: true,
    parameters: {
      type: 'object',
      properties: { city: { type: 'string' }, unit: { enum: ['c', 'f'] } },
      required: ['city', 'unit'],
      additionalProperties: false,
    },
  },
};

// What `call` is refused with: class, status, code, param, message and the request's id.
async function refused(call, Class, status, code, param, message) {
  const error = await call().then(
    () => assert.fail(`not refused: ${message}`),
    (error) => error,
  );
  holds(error instanceof Class, error);
  same([error.status, error.code, error.param], [status, code, param]);
  same(error.type, status < 500 ? 'invalid_request_error' : 'server_error');
  if (message instanceof RegExp) assert.match(error.message, message);
  else same(error.message, `${status} ${message}`);
  assert.match(error.requestID, /^req_/);
  return error;
}

async function calls() {
  const full = {
    model: 'gpt-4o',
    name: 'Näme 🙂',
    description: 'D',
    instructions: 'Do.\nIt.',
    tools: [{ type: 'code_interpreter' }, { type: 'file_search' }, weather],
    tool_resources: { file_search: { vector_store_ids: ['vs_1'] } },
    metadata: { a: '1', b: '' },
    temperature: 0.5,
    top_p: 0.25,
    response_format: { type: 'json_schema', json_schema: { name: 's', schema: { type: 'object' } } },
    reasoning_effort: 'low',
  };
  const made = await assistants.create(full);
  for (const [name, value] of Object.entries(full)) same(made[name], value);
  assert.match(made.id, /^asst_[A-Za-z0-9]{24}$/);
  assert.match(made._request_id, /^req_/);
  holds(Math.abs(made.created_at - Date.now() / 1000) < 60);
  same(await assistants.retrieve(made.id), made);

  const raw = await assistants.retrieve(made.id).asResponse();
  same([raw.status, raw.headers.get('openai-version')], [200, '2020-10-01']);

  same(await assistants.update(made.id, {}), made);
  same((await assistants.update(made.id, { name: null })).name, null);
  const changed = await assistants.update(made.id, { model: 'gpt-4.1', tools: [], metadata: { c: '2' } });
  same([changed.model, changed.tools, changed.metadata], ['gpt-4.1', [], { c: '2' }]);
  same(changed.instructions, full.instructions);

  const least = await assistants.create({ model: 'm' });
  same([least.name, least.tools, least.metadata, least.response_format], [null, [], {}, 'auto']);
  const page = await assistants.list();
  same(page.data.map((a) => a.id), [least.id, made.id]);
  same([page.has_more, page.hasNextPage()], [false, false]);
  const body = await (await assistants.list().asResponse()).json();
  same([body.object, body.first_id, body.last_id], ['list', least.id, made.id]);
  same((await assistants.list({ order: 'asc', limit: 1 })).data[0].id, made.id);
  same((await assistants.list({ before: made.id })).data[0].id, least.id);
  for (const { id } of page.data)
    same(await assistants.delete(id), { id, object: 'assistant.deleted', deleted: true });

  const ids = [];
  for (let i = 0; i < 45; i++) ids.unshift((await assistants.create({ model: 'm', name: `${i}` })).id);
  const seen = [];
  for await (const { id } of assistants.list({ limit: 10 })) seen.push(id);
  same(seen, ids);
  const upwards = [];
  for await (const { id } of assistants.list({ order: 'asc', limit: 7 })) upwards.unshift(id);
  same(upwards, ids);
  const deleted = [];
  for await (const { id } of assistants.list({ limit: 4 })) {
    await assistants.delete(id);
    deleted.push(id);
  }
  same(deleted, ids);
  const empty = await (await assistants.list().asResponse()).json();
  same(empty, { object: 'list', data: [], first_id: null, last_id: null, has_more: false });
}

async function errors() {
  const none = (id) => `No assistant found with id '${id}'.`;
  const gone = (await assistants.create({ model: 'm' })).id;
  await assistants.delete(gone);
  for (const call of [
    () => assistants.retrieve(gone),
    () => assistants.update(gone, { name: 'x' }),
    () => assistants.delete(gone),
  ])
    await refused(call, OpenAI.NotFoundError, 404, null, null, none(gone));
  const bad = (body, code, param, message) =>
    refused(() => assistants.create(body), OpenAI.BadRequestError, 400, code, param, message);
  await bad({}, 'missing_required_parameter', 'model', "Missing required parameter: 'model'.");
  await bad({ model: 'm', file_ids: [] }, 'unknown_parameter', 'file_ids', "Unknown parameter: 'file_ids'.");
  await bad({ model: 'm', temperature: 3 }, 'decimal_above_max_value', 'temperature', /decimal above maximum value/);
  await bad({ model: 'm', name: 'x'.repeat(257) }, 'string_above_max_length', 'name',
    "Invalid 'name': string too long. Expected a string with maximum length 256, but got a string with length 257 instead.");
  await bad({ model: 'm', tools: [{ ...weather, function: { ...weather.function, name: 'x y' } }] },
    'invalid_value', 'tools[0].function.name', /Invalid 'tools\[0\]\.function\.name'/);
  await refused(() => assistants.list({ limit: 0 }), OpenAI.BadRequestError, 400,
    'integer_below_min_value', 'limit', /Expected a value >= 1, but got 0 instead/);
  await refused(() => client.beta.threads.create(), OpenAI.NotFoundError, 404, null, null,
    'Invalid URL (POST /v1/threads)');

  const as = (apiKey, extra) => new OpenAI({ baseURL, apiKey, ...extra }).beta.assistants;
  await refused(() => as('sk-wrong').list(), OpenAI.AuthenticationError, 401, 'invalid_api_key', null,
    /Incorrect API key provided/);
  await refused(() => as('x', { defaultHeaders: { Authorization: null } }).list(),
    OpenAI.AuthenticationError, 401, null, null, /You didn't provide an API key/);
  await refused(() => as(readOnly).create({ model: 'm' }), OpenAI.PermissionDeniedError, 403, 'forbidden',
    null, /may read but not manage/);
  same((await as(readOnly).list()).data, []);
  await refused(() => assistants.list({}, { headers: { 'OpenAI-Beta': 'assistants=v1' } }),
    OpenAI.BadRequestError, 400, 'invalid_beta', null, /OpenAI-Beta: assistants=v2/);
  const large = await assistants.create({ model: 'm', name: 'x'.repeat(5_000_000) }).catch((e) => e);
  same([large.status, large.code], [413, 'body_too_large']);
}

// A front end that has its moods: what `mood` returns for the n-th request is answered
// without asking, 'hang' never, and undefined lets it through.
async function frontEnd(mood) {
  const seen = [];
  const server = createServer((from, to) => {
    seen.push(from.headers['x-stainless-retry-count']);
    const answer = mood(seen.length);
    if (answer === 'hang') return;
    if (answer === 'cut') return void from.socket.destroy();
    if (answer) {
      to.writeHead(answer.status, { 'content-type': 'application/json', ...answer.headers });
      return void to.end(JSON.stringify({ error: { message: 'mood', type: 't', param: null, code: 'c' } }));
    }
    const { hostname, port } = new URL(baseURL);
    const up = request({ hostname, port, path: from.url, method: from.method, headers: from.headers }, (reply) => {
      to.writeHead(reply.statusCode, reply.headers);
      reply.pipe(to);
    });
    from.pipe(up);
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  const url = `http://127.0.0.1:${server.address().port}/v1`;
  return {
    seen,
    client: (more) => new OpenAI({ baseURL: url, apiKey, ...more }).beta.assistants,
    close: () => (server.closeAllConnections(), server.close()),
  };
}

const soon = { 'retry-after-ms': '1' };

async function retries() {
  let front = await frontEnd((n) => (n < 3 ? { status: [503, 429][n - 1], headers: soon } : undefined));
  const made = await front.client().create({ model: 'm', name: 'once' });
  same(front.seen, ['0', '1', '2']);
  front.close();

  front = await frontEnd((n) => (n === 1 ? 'cut' : undefined));
  same(await front.client().retrieve(made.id), made);
  same(front.seen, ['0', '1']);
  front.close();

  front = await frontEnd(() => ({ status: 500, headers: { ...soon, 'x-should-retry': 'false' } }));
  holds((await front.client().create({ model: 'm' }).catch((e) => e)) instanceof OpenAI.InternalServerError);
  same(front.seen, ['0']);
  front.close();

  front = await frontEnd((n) => (n === 1 ? 'hang' : undefined));
  const late = await front.client({ timeout: 200, maxRetries: 0 }).list().catch((e) => e);
  holds(late instanceof OpenAI.APIConnectionTimeoutError, late);
  same((await front.client({ timeout: 5000 }).list()).data, [made]);
  front.close();

  front = await frontEnd((n) => (n === 1 ? 'hang' : undefined));
  same((await front.client({ timeout: 500 }).list()).data, [made]);
  same(front.seen, ['0', '1']);
  front.close();

  const nobody = new OpenAI({ baseURL: 'http://127.0.0.1:9/v1', apiKey, maxRetries: 0 });
  holds((await nobody.beta.assistants.list().catch((e) => e)) instanceof OpenAI.APIConnectionError);
  await assistants.delete(made.id);
}

// Somebody holds the store for a while: the client waits as it is told, and creates once.
async function busy() {
  const front = await frontEnd(() => undefined);
  await front.client({ maxRetries: 5 }).create({ model: 'm', name: 'patient' });
  holds(front.seen.length > 1, front.seen);
  same((await assistants.list()).data.map((a) => a.name), ['patient']);
  front.close();
}

// The store fails: what may have been done is not repeated, what only reads is.
async function broken() {
  for (const [call, times] of [
    [(a) => a.create({ model: 'm' }), 1],
    [(a) => a.delete('asst_x'), 1],
    [(a) => a.list(), 3],
  ]) {
    const front = await frontEnd(() => undefined);
    const error = await call(front.client()).catch((e) => e);
    holds(error instanceof OpenAI.InternalServerError, error);
    same([error.status, error.code], [503, 'store_failed']);
    same(front.seen.length, times);
    front.close();
  }
}

await { calls, errors, retries, busy, broken }[mode]();
console.log(`${checks} checks`);
