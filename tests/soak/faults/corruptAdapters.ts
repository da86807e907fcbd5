import { admin, tenants } from "../../deploy/deployment.ts";
import type { AdapterFiles } from "../../deploy/makeAdapters.ts";
import { ask, completions, smallBody } from "../ask.ts";
import { expectOneOf, type Fault } from "../fault.ts";

const [acme] = tenants;
const config = "adapter_config.json";
const weights = "adapter_model.safetensors";

const bytesOf = (files: AdapterFiles) => Uint8Array.from(files.get(weights) as Uint8Array);
const withWeights = (files: AdapterFiles, bytes: Uint8Array): AdapterFiles => new Map([...files, [weights, bytes]]);
const withConfig = (files: AdapterFiles, change: object): AdapterFiles => {
  const before = JSON.parse(files.get(config) as string);
  return new Map([...files, [config, JSON.stringify({ ...before, ...change })]]);
};

/** Ways to corrupt an adapter's files. */
const corruptions: Readonly<Record<string, (files: AdapterFiles) => AdapterFiles>> = {
  "cut weights": (files) => withWeights(files, bytesOf(files).subarray(0, 1000)),
  "empty weights": (files) => withWeights(files, new Uint8Array()),
  "noise as weights": (files) =>
    withWeights(
      files,
      bytesOf(files).map((_, i) => (i * 73) & 255),
    ),
  "a NaN": (files) => {
    const bytes = bytesOf(files);
    bytes.fill(255, bytes.length - 4);
    return withWeights(files, bytes);
  },
  "a config that is no JSON": (files) => new Map([...files, [config, "{"]]),
  "an unknown method": (files) => withConfig(files, { peft_type: "NO_SUCH" }),
  "another rank": (files) => withConfig(files, { r: 3 }),
  "modules to save": (files) => withConfig(files, { modules_to_save: ["lm_head"] }),
};

let counted = 0;

/** Adapters with corrupt files: they must not be loaded or served, and the servers must continue. */
export const corruptAdapters: Fault = {
  name: "corrupt adapters",
  async run({ deployment, checks, random, spares }) {
    for (const [kind, corrupt] of random.shuffle(Object.entries(corruptions)).slice(0, 4)) {
      const path = `acme/corrupt-${counted++}`;
      const files = corrupt(spares[0]);
      await deployment.store.put(path, files);
      await checks.run("corrupt adapters are refused", async () => {
        const load = { lora_name: `${path}-loaded`, lora_path: path };
        const loaded = await ask(deployment.nginx.url, { path: "/v1/load_lora_adapter", key: admin.key, body: load });
        expectOneOf(`the status of loading ${kind} (${loaded.body})`, loaded.status, 400);
        const url = random.pick(deployment.replicas).url;
        const used = await ask(url, { path: completions, key: acme.key, body: smallBody(path) });
        expectOneOf(`the status of using ${kind} (${used.body})`, used.status, 400);
      });
      await deployment.store.delete(path, files.keys());
    }
  },
};
