import { OptionError } from "@lowrank/core";
import { toCamelCase } from "@lowrank/core/internal";
import { toSnakeCase } from "../config/checks.ts";
import { type PeftConfig, sameValue } from "../config/peftConfig.ts";
import { PythonFloat, pythonJson } from "../config/pythonJson.ts";
import type { OnWarning } from "../config/warning.ts";
import { UnknownMethodError } from "../methods/registry.ts";
import type { AnyMethod } from "../methods/shared/method.ts";
import type { MethodFacts } from "../methods/shared/methodFacts.ts";

/**
 * The PEFT version whose file format is read and written. Some methods' files contain it as `peft_version`. PEFT before
 * 0.14 rejects a file with this field.
 */
const peftVersion = "0.21.2";

/** Fields of adapter_config.json that have no counterpart in a configuration object. */
const fileOnly = new Set(["peft_type", "peft_version", "auto_mapping", "inference_mode", "runtime_config"]);

/**
 * Reads adapter_config.json. Throws for an unsupported field unless its value has no effect, and warns about unknown
 * fields; both messages name the field. `label` is the file's name in messages.
 */
export function parseConfig<M extends MethodFacts<PeftConfig>>(
  json: unknown,
  methods: Readonly<Record<string, M>>,
  label: string,
  onWarning: OnWarning,
): { method: M; config: InstanceType<M["Config"]> } {
  if (typeof json !== "object" || json === null || Array.isArray(json))
    throw new Error(`${label} is not a JSON object`);
  const fields = json as Record<string, unknown>;
  const method = Object.values(methods).find(({ peftType }) => peftType === fields.peft_type);
  if (!method) {
    const { peft_type: type } = fields;
    const known = `supported are ${Object.keys(methods).join(", ")}, and methods registered with registerPeftMethod`;
    throw new UnknownMethodError(`${label}: peft_type is ${JSON.stringify(type)}; ${known}`);
  }
  const { refused, ignored, nested = [], verbatim = [], spelling = {} } = method.format;
  const note = method.format.note?.(fields) ?? null;
  if (note) onWarning({ ...note, message: `${label}: ${note.message}` });
  const known = new method.Config({} as never);
  const options: Record<string, unknown> = {};
  const dropped: string[] = [];
  for (const [key, value] of Object.entries(fields)) {
    const name = toCamelCase(key);
    if (Object.hasOwn(known, name) && (verbatim.includes(key) || (spelling[name] ?? toSnakeCase(name)) === key)) {
      if (key !== "peft_type") options[name] = nested.includes(key) ? withKeys(value, toCamelCase) : value;
    } else if (Object.hasOwn(refused, key)) {
      if (!sameValue(value, refused[key])) {
        throw new Error(`${label}: ${key} is ${JSON.stringify(value)}, which ${method.peftType} here does not support`);
      }
    } else if (!fileOnly.has(key) && !(Object.hasOwn(ignored, key) && sameValue(value, ignored[key]))) {
      dropped.push(key);
    }
  }
  if (dropped.length > 0) {
    onWarning({ code: "unused-field", message: `${label}: these fields are not used: ${dropped.join(", ")}` });
  }
  const config = inFile(label, () => new method.Config(options as never)) as InstanceType<M["Config"]>;
  return { method, config };
}

/**
 * Returns the text of adapter_config.json in PEFT's layout. It contains the format's `classic` fields, and other fields
 * only if they differ from their defaults.
 */
export function configJson(method: AnyMethod, config: PeftConfig): string {
  const { classic, floats, nested = [], verbatim = [], spelling = {} } = method.format;
  const defaults = new method.Config({} as never) as unknown as Record<string, unknown>;
  const fields: Record<string, unknown> = {
    auto_mapping: null,
    inference_mode: true,
    peft_type: config.peftType,
    ...(classic.includes("peft_version") ? { peft_version: peftVersion } : {}),
  };
  for (const [name, value] of Object.entries(config)) {
    const key = verbatim.includes(name) ? name : (spelling[name] ?? toSnakeCase(name));
    if (!classic.includes(key) && sameValue(value, defaults[name])) continue;
    const isFloat = floats.includes(key) && typeof value === "number";
    fields[key] = isFloat ? new PythonFloat(value) : nested.includes(key) ? withKeys(value, toSnakeCase) : value;
  }
  return pythonJson(fields);
}

/** Returns a copy of an object with `spell` applied to each key. Returns any other value unchanged. */
function withKeys(value: unknown, spell: (key: string) => string): unknown {
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [spell(key), inner]));
}

/** Runs a function and adds the file's name to errors that it throws. */
export function inFile<T>(label: string, fn: () => T): T {
  try {
    return fn();
  } catch (error) {
    throw named(label, error);
  }
}

/** Runs an async function and adds the file's name to errors that it throws. */
export async function inFileAsync<T>(label: string, fn: () => Promise<T>): Promise<T> {
  try {
    return await fn();
  } catch (error) {
    throw named(label, error);
  }
}

/**
 * Adds the file's name to the message of `error` if it is a plain `Error` or an `OptionError`. Returns the result as a
 * plain `Error`, since the fault is in the file and not in an option of the caller. Returns all other values unchanged.
 */
function named(label: string, error: unknown): unknown {
  const isPlain = error instanceof OptionError || (error instanceof Error && error.constructor === Error);
  if (!isPlain || error.message.includes(label)) return error;
  return new Error(`${label}: ${error.message}`, { cause: error });
}
