import { toSnakeCase } from "../../config/checks.ts";
import { PythonFloat, pythonJson } from "../../config/pythonJson.ts";
import type { AdapterLayout } from "../shared/methodFacts.ts";
import { type BnConfig, bottleneckFormat } from "./bottleneckConfig.ts";

/** The version of the `adapters` library whose files are read and written. Written into adapter_config.json. */
const version = "adapters.1.3.0";

/**
 * Fields of AdapterHub's adapter_config.json that are outside of its "config" object. Each maps to the name of the same
 * field in PEFT.
 */
const outer: Readonly<Record<string, string>> = {
  name: "name",
  model_type: "model_type",
  model_class: "model_class",
  hidden_size: "hidden_size",
  model_name: "base_model_name_or_path",
};

/** Fields of a PEFT configuration that AdapterHub's files do not contain. */
const absent = ["peft_type", "task_type", "revision", "modules_to_save", "target_modules", "exclude_modules"];

/**
 * Converts AdapterHub's adapter_config.json to one flat object with PEFT's field names. Returns null for a file of
 * PEFT. Throws if AdapterHub's method is not a bottleneck adapter; Lowrank reads other methods only from PEFT's files.
 */
function readConfig(json: unknown, label: string): Record<string, unknown> | null {
  const { config, peft_type: type, ...rest } = (json ?? {}) as Record<string, unknown>;
  if (type !== undefined || typeof config !== "object" || config === null) return null;
  const { architecture, ...options } = config as Record<string, unknown>;
  if (architecture !== undefined && architecture !== null) {
    throw new Error(
      `${label}: the AdapterHub architecture ${JSON.stringify(architecture)} is not supported; save the adapter with PEFT, since only AdapterHub's bottleneck adapters can be read`,
    );
  }
  const fields: Record<string, unknown> = { peft_type: "BOTTLENECK", ...options };
  for (const [theirs, ours] of Object.entries(outer))
    if (rest[theirs] !== undefined) fields[ours] = rest[theirs] || null;
  return fields;
}

/** Returns the adapter_config.json of a bottleneck adapter in AdapterHub's layout. */
function configJson(config: BnConfig): string {
  const { floats, refused, ignored } = bottleneckFormat;
  const own: Record<string, unknown> = { ...ignored, ...refused, stochastic_depth: new PythonFloat(0) };
  const around: Record<string, unknown> = { version, model_name: config.baseModelNameOrPath ?? "" };
  for (const [name, value] of Object.entries(config)) {
    const key = toSnakeCase(name);
    if (Object.values(outer).includes(key) || absent.includes(key)) {
      if (key in outer) around[key] = value;
    } else {
      own[key] = floats.includes(key) && typeof value === "number" ? new PythonFloat(value) : value;
    }
  }
  return pythonJson({ config: own, ...around });
}

/**
 * AdapterHub's folder layout. Its `adapter.safetensors` has no metadata. Its `head_config.json` describes a prediction
 * head, which Lowrank does not read.
 */
export const bottleneckLayout: AdapterLayout<BnConfig> = {
  weights: "adapter.safetensors",
  pickle: "pytorch_adapter.bin",
  unread: { file: "head_config.json", holds: "the head that it describes" },
  configJson,
  readConfig,
};
