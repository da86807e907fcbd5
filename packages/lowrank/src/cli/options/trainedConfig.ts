import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import {
  type MethodFacts,
  type PeftConfig,
  type PromptLearningConfig,
  parsePeftConfig,
  type TaskType,
} from "@lowrank/peft";
import { isPromptMethod, methodOf } from "@lowrank/peft/internal";
import { Option } from "commander";
import { defaultMethod, findMethods, quantizedWords } from "../../report/methods.ts";
import { warn } from "../loading/loading.ts";
import { parseJson } from "../loading/modelConfig.ts";
import { givenAdapterOptions, plannedSteps, toPeftConfig } from "./adapterConfig.ts";

/** Reads the adapter configuration in a file or an adapter's folder. */
export async function readPeftConfig(path: string): Promise<PeftConfig> {
  const found = await stat(path).catch(() => undefined);
  if (!found) throw new Error(`--peft-config: there is no file or folder ${path}`);
  const file = found.isDirectory() ? join(path, "adapter_config.json") : path;
  const text = await readFile(file, "utf8").catch(() => {
    throw new Error(`--peft-config: ${path} has no adapter_config.json`);
  });
  return parsePeftConfig(parseJson(text, file), { label: file, onWarning: warn });
}

/** Returns the `--peft-config` option of commands that train one adapter. */
export function peftConfigOption(): Option {
  return new Option(
    "--peft-config <file>",
    `adapter_config.json that describes the adapter, of any PEFT method, instead of options; may be combined with ${quantizedWords()} too`,
  );
}

/** Options that select the method to train. */
interface TrainedOptions {
  method: string;
  peftConfig?: string;
}

/**
 * Reads an adapter's configuration from `--peft-config` or from options. Returns a function that makes the
 * configuration for a given number of training steps, on which some methods depend. For full fine-tuning, the function
 * returns null. Throws for options that the method does not support, for adapter options together with `--peft-config`,
 * and for a file with another task type.
 */
export async function trainedConfig(
  options: TrainedOptions,
  taskType: TaskType = "CAUSAL_LM",
): Promise<(steps: number) => PeftConfig | null> {
  const [method] = findMethods([options.method]);
  const { peftConfig: path } = options;
  if (path === undefined) {
    const planned = toPeftConfig(method, options, plannedSteps);
    const finish = planned && forTask(await methodOf(planned), taskType);
    return (steps) => {
      const config = toPeftConfig(method, options, steps);
      return config && (finish?.(config) ?? null);
    };
  }
  const given = givenAdapterOptions(options);
  if (method.name !== defaultMethod().name && !method.quantized) given.unshift(`--method ${method.name}`);
  if (given.length > 0) throw new Error(`--peft-config already describes the adapter; leave ${given.join(", ")} out`);
  const config = await readPeftConfig(path);
  if (config.taskType !== null && config.taskType !== taskType) {
    throw new Error(`${path}: task_type is ${config.taskType}; for this command it must be ${taskType} or absent`);
  }
  const peft: MethodFacts<PeftConfig> = await methodOf(config);
  const finish = forTask(peft, taskType);
  return (steps) => finish(peft.withSteps ? peft.withSteps(config, steps) : config);
}

/**
 * Returns a function that sets the task type in a configuration. It changes nothing for a method whose configuration
 * has no task type.
 */
function forTask({ taskless }: MethodFacts<PeftConfig>, taskType: TaskType): (config: PeftConfig) => PeftConfig {
  return (config) => (taskless ? config : config.with({ taskType }));
}

/**
 * Returns the number of virtual tokens that an adapter puts before each sequence; 0 for a method without them, and for
 * null (full fine-tuning).
 */
export async function virtualTokens(config: PeftConfig | null): Promise<number> {
  if (config === null || !isPromptMethod(await methodOf(config))) return 0;
  return Number((config as PromptLearningConfig).numVirtualTokens);
}
