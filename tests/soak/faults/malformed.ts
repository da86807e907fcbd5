import { tenants } from "../../deploy/deployment.ts";
import { type Ask, askUndrained, completions, smallBody } from "../ask.ts";
import { expectOneOf, type Fault } from "../fault.ts";

const [{ key }] = tenants;
const good = smallBody("base");

/** Requests that every server must reject, each with its status. */
const requests: readonly (readonly [status: number, request: Ask])[] = [
  [400, { path: completions, key, body: "{" }],
  [400, { path: completions, key, body: "" }],
  [400, { path: completions, key, body: '{"model": "base", "prompt": "\ud800' }],
  [400, { path: completions, key, body: "[1, 2]" }],
  [400, { path: completions, key, body: `${"[".repeat(5000)}` }],
  [400, { path: completions, key, body: { ...good, max_tokens: -1 } }],
  [400, { path: completions, key, body: { ...good, max_tokens: 1.5 } }],
  [400, { path: completions, key, body: { ...good, temperature: "hot" } }],
  [400, { path: completions, key, body: { ...good, temperature: 9 } }],
  [400, { path: completions, key, body: { ...good, prompt: [1e9] } }],
  [400, { path: completions, key, body: { ...good, prompt: [-1] } }],
  [400, { path: completions, key, body: { ...good, prompt: "word ".repeat(500) } }],
  [400, { path: completions, key, body: { ...good, n: 1000 } }],
  [400, { path: completions, key, body: { ...good, logit_bias: { 100000: 1 } } }],
  [400, { path: completions, key, body: { ...good, no_such_field: 1 } }],
  [400, { path: "/v1/chat/completions", key, body: { model: "base", messages: "hello" } }],
  [404, { path: completions, key, body: { ...good, model: "no/such" } }],
  [404, { path: completions, key, body: { ...good, model: "../../etc" } }],
  [404, { path: "/v1/nothing", key }],
  [415, { path: completions, key, body: "hello", headers: { "content-type": "text/plain" } }],
];

export const malformed: Fault = {
  name: "malformed bodies",
  async run({ deployment, checks, random }) {
    const [status, request] = random.pick(requests);
    await checks.run("malformed requests are refused", async () => {
      const answer = await askUndrained(deployment.nginx.url, request);
      expectOneOf(`the status of ${JSON.stringify(request).slice(0, 200)}`, answer.status, status);
    });
  },
};
