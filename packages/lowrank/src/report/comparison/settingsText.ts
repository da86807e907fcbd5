import type { PeftConfig } from "@lowrank/peft";
import { methodOf } from "@lowrank/peft/internal";

/** Fields that do not describe a method: the model's name and the task. */
const left = new Set(["baseModelNameOrPath", "taskType"]);

/** Describes the fields of a configuration that differ from the method's defaults: "r=16 targetModules=all-linear". */
export async function settingsText(config: PeftConfig): Promise<string> {
  const { Config } = await methodOf(config);
  const defaults = { ...new Config({} as never) } as Record<string, unknown>;
  return Object.entries(config)
    .filter(([key, value]) => !left.has(key) && JSON.stringify(value) !== JSON.stringify(defaults[key]))
    .map(([key, value]) => `${key}=${typeof value === "string" ? value : JSON.stringify(value)}`)
    .join(" ");
}
