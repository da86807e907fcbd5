import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { command } from "./check.ts";

/** Serves the embedded model and an adapter over HTTP, with the runtime's own server, and sends requests. */
const script = `
import { nanoModelFolder } from "@lowrank/nano";
import { adapterStore, createEngine, folderPlace } from "@lowrank/serve";
import { createApp } from "@lowrank/serve/http";
import { getPeftModel, Generator, init, LoraConfig, loadModel, wasm } from "lowrank";

await init(wasm({ batchInvariant: true }));
const fresh = await loadModel(nanoModelFolder);
const config = new LoraConfig({ r: 4, initLoraWeights: false });
const peft = await getPeftModel(fresh.model, config, { generator: new Generator(1) });
await peft.savePretrained("served/poet");
const { model, tokenizer } = await loadModel(nanoModelFolder);
const adapters = adapterStore({ place: folderPlace("served"), maxAdapterBytes: 1e8 });
const engine = await createEngine({ model, tokenizer, servedModelName: "nano", adapters });
const app = createApp({ engine });
const at = { port: 0, hostname: "127.0.0.1" };
let url;
if (globalThis.Deno) url = "http://127.0.0.1:" + Deno.serve({ ...at, onListen() {} }, app.fetch).addr.port;
else if (globalThis.Bun) url = "http://127.0.0.1:" + Bun.serve({ ...at, fetch: app.fetch }).port;
else url = (await (await import("@lowrank/serve/node")).listen(app, 0)).url;

const ask = (fields, signal) => {
  const body = JSON.stringify({ prompt: "add 2 and 3: ", max_tokens: 8, temperature: 0, ...fields });
  return fetch(url + "/v1/completions", { method: "POST", headers: { "content-type": "application/json" }, body, signal });
};
const answers = [];
for (const name of ["nano", "poet", "nobody"]) answers.push(await (await ask({ model: name })).json());
const pieces = await (await ask({ model: "poet", stream: true })).text();
const large = await ask({ model: "nano", prompt: "a".repeat(2e6) });
// A client that goes away frees its place.
const leave = new AbortController();
await ask({ model: "nano", max_tokens: 100, n: 16, ignore_eos: true, stream: true }, leave.signal);
leave.abort();
while ((await engine.stats()).requests.length > 0) await new Promise((resolve) => setTimeout(resolve, 10));
const texts = answers.map(({ choices, error }) => choices?.[0].text ?? error.code);
console.log(JSON.stringify([...texts, pieces.split("\\n\\n").length, large.status]));
process.exit(0);
`;

/** Returns the server's output in a runtime, and a problem if it failed. */
export function askServer(
  user: string,
  env: NodeJS.ProcessEnv,
  program: readonly string[],
): { problems: string[]; said: string } {
  writeFileSync(join(user, "served.js"), script);
  const { problems, stdout } = command(user, env, ...program, "served.js");
  return { problems, said: stdout?.trimEnd().split("\n").at(-1) ?? "" };
}
