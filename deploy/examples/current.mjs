// The assistant id to use now, in Node: OAM_URL and OAM_TOKEN say where and with which token.
const answer = await fetch(`${process.env.OAM_URL}/current`, {
  headers: { Authorization: `Bearer ${process.env.OAM_TOKEN}` },
  signal: AbortSignal.timeout(35_000),
});
const body = await answer.json();
if (!body.success) throw new Error(`${body.error.code}: ${body.message}`);
console.log(body.data.assistantId);
