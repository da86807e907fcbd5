import type { Tensor } from "@lowrank/core";
import type { CausalLM } from "@lowrank/models";
import type { PeftModel, Warning } from "@lowrank/peft";
import { fact } from "./shared/check.ts";
import type { AdapterRequirements } from "./shared/suite.ts";
import type { SuiteCheck } from "./shared/suiteReport.ts";

/** Codes of warnings that mean that the adapter is not applied as its configuration requires. */
const failing: readonly string[] = ["unmatched-target", "missing-module", "key-mismatch", "unread-file"];

/** Compares an adapter's files with the requirements of a suite. `json` is its `adapter_config.json`. */
export function configChecks(
  { base, config = {} }: AdapterRequirements,
  json: Readonly<Record<string, unknown>>,
): SuiteCheck[] {
  const checks: SuiteCheck[] = [];
  if (base !== undefined) {
    const found = String(json.base_model_name_or_path ?? "");
    const passed = found === base || nameOf(found) === nameOf(base);
    const message = passed
      ? `base_model_name_or_path is ${JSON.stringify(found)}`
      : `base_model_name_or_path is ${JSON.stringify(found)}, expected ${JSON.stringify(base)}; the adapter was made for another base model`;
    checks.push(fact("adapter", "base model", passed, message, { value: found, limit: base }));
  }
  for (const [key, expected] of Object.entries(config)) {
    const [value, limit] = [JSON.stringify(json[key]) ?? "missing", JSON.stringify(expected) ?? "undefined"];
    const passed = canonical(json[key]) === canonical(expected);
    const message = passed
      ? `${key} is ${value}`
      : `${key} is ${value}, expected ${limit}; the adapter was trained with other settings, or adapter_config.json was changed`;
    checks.push(fact("adapter", `config: ${key}`, passed, message, { value, limit }));
  }
  return checks;
}

/** Returns the last part of a model's name or path, without `.gguf`, in lower case. */
function nameOf(path: string): string {
  return (
    path
      .replace(/[/\\]+$/, "")
      .split(/[/\\]/)
      .at(-1) as string
  )
    .replace(/\.gguf$/i, "")
    .toLowerCase();
}

/** Returns a value as JSON, with sorted keys and sorted lists of names. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, part) => {
    if (Array.isArray(part)) return part.every((one) => typeof one === "string") ? part.toSorted() : part;
    if (typeof part !== "object" || part === null) return part;
    return Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)));
  }) as string;
}

/** Returns the check of warnings from loading, such as targets that match no module. */
export function loadCheck(warnings: readonly Warning[]): SuiteCheck {
  const bad = warnings.filter(({ code }) => failing.includes(code));
  if (bad.length === 0) return fact("adapter", "fits the model", true, "all of its tensors fit the model");
  const reasons = bad.map(({ message }) => message).join("; ");
  return fact("adapter", "fits the model", false, `${reasons}; give the adapter's own base model`);
}

/** Returns the check of an adapter's values: all must be finite. */
export async function finiteCheck(
  group: "adapter" | "against",
  peft: PeftModel<CausalLM>,
  name: string,
): Promise<SuiteCheck> {
  let count = 0;
  for (const [key, tensor] of peft.adapterTensors(name)) {
    const bad = await firstNonFinite(tensor);
    count++;
    if (bad) return fact(group, "values", false, `${key} ${bad}; train the adapter again with a lower learning rate`);
  }
  return fact(group, "values", true, `the values of all ${count} tensors are finite`);
}

/** Describes the first NaN or infinite value of a tensor. Returns null if all values are finite. */
async function firstNonFinite(tensor: Tensor): Promise<string | null> {
  const values = (await tensor.data()) as Float32Array;
  const isBad = (value: number) => !Number.isFinite(value);
  const at = values.findIndex(isBad);
  if (at < 0) return null;
  const width = tensor.shape.at(-1) ?? 1;
  const row = Math.floor(at / width);
  return `has ${values.filter(isBad).length} NaN or infinite values of ${values.length}: ${values[at]} in row ${row}, column ${at % width}`;
}
