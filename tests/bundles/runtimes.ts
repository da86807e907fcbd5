import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Check, command } from "./check.ts";
import type { CheckedInstall } from "./checkBundles.ts";
import { differences, runOnServer, type ServerRun } from "./sample.ts";

/** Other JavaScript runtimes on npm, and the arguments with which each runs a file. */
const runtimes = {
  Deno: { dependency: "deno", version: "2.9.6", words: ["run", "--allow-all"] },
  Bun: { dependency: "bun", version: "1.4.5", words: ["run"] },
};

/**
 * Installs Deno and Bun into an empty folder and runs the sample in each, with threads: in the program, by an engine in
 * a Worker of `node:worker_threads`, and by one in a Web Worker. Also serves over HTTP in each.
 */
export function checkRuntimes({ user, work, env }: CheckedInstall, inNode: ServerRun, check: Check): void {
  const folder = join(work, "runtimes");
  mkdirSync(folder);
  const dependencies = Object.fromEntries(
    Object.values(runtimes).map(({ dependency, version }) => [dependency, version]),
  );
  writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, dependencies }));
  const { problems } = command(folder, env, "npm", "install", "--no-audit", "--no-fund");
  check("install Deno and Bun", problems);
  if (problems.length > 0) return;
  const served = askServer(user, env, ["node"]);
  check("a server in Node", served.problems);
  for (const [name, { dependency, words }] of Object.entries(runtimes)) {
    const program = [join(folder, "node_modules", ".bin", dependency), ...words];
    for (const worker of ["node", "web"] as const) {
      const kind = worker === "web" ? "a Web Worker" : "a Worker of node:worker_threads";
      check(`${name} and ${kind}`, problemsIn(user, program, env, worker, inNode));
    }
    const { problems, said } = askServer(user, env, program);
    if (problems.length === 0 && said !== served.said) problems.push(`it says ${said}, and in Node ${served.said}`);
    check(`a server in ${name}`, problems);
  }
}

function problemsIn(
  ...[user, program, env, worker, inNode]: [...Required<Parameters<typeof runOnServer>>, ServerRun]
): string[] {
  try {
    const { page, engine } = runOnServer(user, program, env, worker);
    return [
      ...differences(page, inNode.page),
      ...differences(engine, inNode.engine).map((problem) => `lowrank/worker: ${problem}`),
    ];
  } catch (error) {
    return [(error as Error).message];
  }
}

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
function askServer(
  user: string,
  env: NodeJS.ProcessEnv,
  program: readonly string[],
): { problems: string[]; said: string } {
  writeFileSync(join(user, "served.js"), script);
  const { problems, stdout } = command(user, env, ...program, "served.js");
  return { problems, said: stdout?.trimEnd().split("\n").at(-1) ?? "" };
}
