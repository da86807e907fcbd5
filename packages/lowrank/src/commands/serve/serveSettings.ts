import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import type { ApiKey } from "@lowrank/serve/http";
import { parse } from "yaml";
import { z } from "zod";
import type { LoadedWeights } from "../../cli/argument.ts";
import { backendNames } from "../../cli/loading/backends.ts";
import { type BudgetSettings, budgetNames, budgetSettings, budgetsSchema, bytes, count } from "./budgetSettings.ts";

/** Settings of `lowrank serve`, from the command line and the config file. The command line overrides the file. */
export interface ServeSettings extends BudgetSettings {
  readonly model: string;
  readonly "served-model-name": string;
  /** Folders of adapters by name. With `store`, they are paths in the store. */
  readonly adapters: Readonly<Record<string, string>>;
  readonly store?: string;
  /** True if clients can start fine-tuning jobs over HTTP. The jobs train on this machine. */
  readonly "fine-tuning": boolean;
  /**
   * Address of the Redis server with the queue of fine-tuning jobs. The jobs run in separate `lowrank worker`
   * processes.
   */
  readonly queue?: string;
  /** Largest upload in bytes. */
  readonly "max-upload": number;
  /** Maximum number of bytes of all adapters in memory together. */
  readonly "adapter-memory": number;
  readonly "max-lora-rank"?: number;
  readonly host: string;
  readonly port: number;
  readonly backend?: string;
  readonly threads: number;
  readonly "wide-simd": boolean;
  readonly weights: LoadedWeights;
  readonly activations?: "int8";
  readonly "max-num-seqs"?: number;
  readonly "max-num-batched-tokens"?: number;
  readonly "max-model-len"?: number;
  readonly "kv-cache-tokens"?: number;
  readonly "max-body": number;
  readonly "max-prompt-tokens"?: number;
  readonly "max-pending": number;
  readonly "request-timeout": number;
  readonly "send-timeout": number;
  readonly "api-keys"?: readonly ApiKey[];
  /** Path of the file with `api-keys`. The server reads it again when it changes. */
  readonly "api-key-file"?: string;
  /** Host names that requests may use, besides `localhost` and IP addresses. */
  readonly "allowed-hosts"?: readonly string[];
  readonly "log-format"?: "json" | "pretty";
  readonly "log-level": string;
}

const keySchema = z.strictObject({
  id: z.string().min(1),
  sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/i, "expected 64 hexadecimal digits: what `printf %s KEY | sha256sum` prints"),
  adapters: z.array(z.string()).optional(),
  base: z.boolean().optional(),
  admin: z.boolean().optional(),
  operator: z.boolean().optional(),
  budgets: budgetsSchema.optional(),
});
const keysSchema = z.array(keySchema).min(1);

const adaptersSchema = z.object({
  adapters: z.record(z.string().min(1), z.string().min(1), 'expected a folder by each name, as in "poet: ./poet"'),
});

const settingsSchema = z.strictObject({
  model: z.string(),
  "served-model-name": z.string().min(1).optional(),
  adapters: adaptersSchema.shape.adapters.default({}),
  store: z.string().min(1).optional(),
  "fine-tuning": z.boolean().default(false),
  queue: z
    .string()
    .regex(/^rediss?:\/\//, "expected the address of a Redis, such as redis://127.0.0.1:6379")
    .optional(),
  "max-upload": bytes.default(512e6),
  ...budgetSettings,
  "adapter-memory": bytes.default(256e6),
  "max-lora-rank": count.optional(),
  host: z.string().default("127.0.0.1"),
  port: z.int().min(0).max(65535).default(8000),
  backend: z.enum(backendNames).optional(),
  threads: count.default(1),
  "wide-simd": z.boolean().default(false),
  weights: z.enum(["f32", "f16", "bf16", "packed"]).default("f32"),
  activations: z.enum(["int8"]).optional(),
  "max-num-seqs": count.optional(),
  "max-num-batched-tokens": count.optional(),
  "max-model-len": count.optional(),
  "kv-cache-tokens": count.optional(),
  "max-body": bytes.default(2 ** 20),
  "max-prompt-tokens": count.optional(),
  "max-pending": count.default(256),
  "request-timeout": z.number().gt(0).default(600),
  "send-timeout": z.number().gt(0).default(60),
  "api-key-file": z.string().optional(),
  "api-keys": keysSchema.optional(),
  "allowed-hosts": z.union([z.string().transform((text) => text.split(",")), z.array(z.string())]).optional(),
  "log-format": z.enum(["json", "pretty"]).optional(),
  "log-level": z.enum(["trace", "debug", "info", "warn", "error", "fatal", "silent"]).default("info"),
});

/**
 * Merges the settings of a config file and of the command line, which takes precedence. Throws an error that names the
 * file and the setting if a setting is unknown or invalid.
 */
export async function readServeSettings(
  flags: Readonly<Record<string, unknown>>,
  configFile: string | undefined,
): Promise<ServeSettings> {
  const config = configFile === undefined ? {} : await readFields(configFile, "--config");
  const { adapters: ofConfig = {}, ...others } = config;
  const label = configFile ?? "lowrank serve";
  if ([ofConfig, flags.adapters].some((given) => Object.hasOwn(Object(given), "__proto__"))) {
    throw new Error(`${label}: an adapter has the name __proto__; rename it`);
  }
  const adapters = {
    ...check(adaptersSchema, { adapters: ofConfig ?? {} }, label).adapters,
    ...(flags.adapters as object),
  };
  const { "api-key-file": keyFile, ...settings } = check(settingsSchema, { ...others, ...flags, adapters }, label);
  if (keyFile !== undefined && settings["api-keys"]) {
    throw new Error(`${label}: there are both api-keys and api-key-file; give one of them`);
  }
  checkFineTuning(settings, label);
  const keys = keyFile === undefined ? settings["api-keys"] : await readKeys(keyFile);
  const name = settings["served-model-name"] ?? basename(settings.model).replace(/\.gguf$/i, "");
  if (Object.hasOwn(settings.adapters, name)) {
    throw new Error(`${label}: an adapter has the base model's name, ${name}; rename it, or give --served-model-name`);
  }
  return { ...settings, "api-keys": keys, "api-key-file": keyFile, "served-model-name": name };
}

/** Throws if fine-tuning is on without a store, or if both `fine-tuning` and `queue` are set. */
function checkFineTuning({ queue, store, "fine-tuning": here }: z.infer<typeof settingsSchema>, label: string): void {
  if (here && queue !== undefined) {
    throw new Error(`${label}: --fine-tuning trains in this process, but --queue in workers; give only one of them`);
  }
  if ((here || queue !== undefined) && store === undefined) {
    const option = here ? "--fine-tuning" : "--queue";
    throw new Error(
      `${label}: ${option} needs --store for its files, jobs and adapters; give a folder or s3://bucket/prefix`,
    );
  }
}

/** Reads a file of API keys. Throws an error that names the file and the field if it is invalid. */
export async function readKeys(file: string): Promise<readonly ApiKey[]> {
  return check(keysSchema, await readYaml(file, "--api-key-file"), file);
}

async function readFields(file: string, option: string): Promise<Readonly<Record<string, unknown>>> {
  const found = await readYaml(file, option);
  if (typeof found === "object" && found !== null && !Array.isArray(found)) return found as Record<string, unknown>;
  throw new Error(`${option} ${file}: expected settings by name, as in "port: 8000"`);
}

/** Reads a YAML file, which may also be JSON. */
async function readYaml(file: string, option: string): Promise<unknown> {
  const text = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    const reason = error.code === "ENOENT" ? "there is no such file" : error.message;
    throw new Error(`${option} ${file}: ${reason}; give the path of a YAML or JSON file`);
  });
  try {
    return parse(text);
  } catch (error) {
    throw new Error(`${option} ${file}: ${(error as Error).message.split("\n")[0]}; correct the YAML`);
  }
}

function check<T>(schema: z.ZodType<T>, value: unknown, label: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const where = issue.path.map((step) => (typeof step === "number" ? `[${step}]` : `.${String(step)}`)).join("");
  const at = where.replace(/^\./, "");
  if (issue.code === "unrecognized_keys") {
    const ofKey = at.endsWith(".budgets") ? budgetNames : Object.keys(keySchema.shape);
    const known = at === "" ? Object.keys(settingsSchema.shape) : ofKey;
    const inside = at === "" ? "" : ` in ${at}`;
    throw new Error(`${label}: there is no setting ${issue.keys[0]}${inside}; there are ${known.join(", ")}`);
  }
  throw new Error(`${label}: ${at}: ${issue.message[0].toLowerCase()}${issue.message.slice(1)}; correct it`);
}
