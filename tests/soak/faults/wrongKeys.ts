import { admin, tenants } from "../../deploy/deployment.ts";
import { type Ask, ask, askUndrained, completions, smallBody } from "../ask.ts";
import { expectOneOf, type Fault } from "../fault.ts";

const [acme, globex] = tenants;
const stranger = "key-of-nobody";
/** An adapter of globex that exists, and one that does not. */
const foreign = `${globex.id}/0`;
const absent = `${globex.id}/no-such`;

/** Unauthorised requests, each with its status. */
const requests: readonly (readonly [status: number, request: Ask])[] = [
  [401, { path: completions, body: smallBody("base") }],
  [401, { path: completions, key: stranger, body: smallBody(foreign) }],
  [401, { path: completions, key: `${globex.key}x`, body: smallBody(foreign) }],
  [401, { path: completions, key: globex.key.slice(0, -1), body: smallBody(foreign) }],
  [401, { path: "/v1/models", key: stranger }],
  [404, { path: completions, key: acme.key, body: smallBody(foreign) }],
  [404, { path: completions, key: acme.key, body: { ...smallBody(foreign), stream: true } }],
  [
    404,
    {
      path: "/v1/chat/completions",
      key: acme.key,
      body: { model: foreign, messages: [{ role: "user", content: "a" }] },
    },
  ],
  [404, { path: `/v1/models/${foreign}`, key: acme.key }],
  [403, { path: "/v1/load_lora_adapter", key: acme.key, body: { lora_name: "acme/mine", lora_path: foreign } }],
  [403, { path: "/v1/unload_lora_adapter", key: acme.key, body: { lora_name: foreign } }],
];

/** Keys without permission for a request: requests, lists, states, and the cache of another tenant. */
export const wrongKeys: Fault = {
  name: "wrong keys",
  async run({ deployment, checks, random }) {
    const url = random.pick([deployment.nginx.url, deployment.replicas[0].url]);
    const [status, request] = random.pick(requests);
    await checks.run("wrong keys reach nothing", async () => {
      const answer = await askUndrained(url, request);
      expectOneOf(`the status of ${JSON.stringify(request)}`, answer.status, status);
    });
    await checks.run("lists name no other tenant's adapter", async () => {
      const { status, body } = await ask(url, { path: "/v1/models", key: acme.key });
      expectOneOf(`the status (${body})`, status, 200, 503);
      // The object store is away.
      if (status === 503) return;
      const ids: string[] = JSON.parse(body).data.map(({ id }: { id: string }) => id);
      const wrong = ids.filter((id) => id !== "base" && !id.startsWith("acme/"));
      if (wrong.length > 0) throw new Error(`acme's list names ${wrong}`);
      if (!ids.some((id) => id.startsWith("acme/"))) throw new Error(`acme's list has no adapter of its own: ${ids}`);
    });
    await checks.run("another tenant's adapter is answered like one that is not there", async () => {
      const [real, none] = await Promise.all(
        [foreign, absent].map((model) => ask(url, { path: completions, key: acme.key, body: smallBody(model) })),
      );
      if (real.body.replace(foreign, "") !== none.body.replace(absent, "")) {
        throw new Error(`they are told apart: ${real.body} and ${none.body}`);
      }
    });
    await checks.run("/metrics takes a key that may administrate", async () => {
      const statuses = await Promise.all(
        [admin.key, acme.key, stranger].map(async (key) => {
          return (await ask(deployment.replicas[0].url, { path: "/metrics", key })).status;
        }),
      );
      expectOneOf("the statuses", statuses.join(), "200,403,401");
    });
    await checks.run("no tenant profits from another's prefixes", async () => {
      const prompt = Array.from({ length: 48 }, () => 5 + random.below(700));
      const cached: number[] = [];
      for (const { key } of [acme, globex]) {
        const body = { model: "base", prompt, max_tokens: 1 };
        const answer = await ask(deployment.replicas[0].url, { path: completions, key, body });
        if (answer.status === 200) cached.push(JSON.parse(answer.body).usage.prompt_tokens_details.cached_tokens);
      }
      if (cached.some((tokens) => tokens > 0)) throw new Error(`tokens of a fresh prompt were cached: ${cached}`);
    });
  },
};
