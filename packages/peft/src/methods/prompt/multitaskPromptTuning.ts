import {
  embedding,
  matmul,
  mean,
  mul,
  OptionError,
  randn,
  reshape,
  slice,
  type Tensor,
  tensor,
  zeros,
} from "@lowrank/core";
import { Embedding, Parameter } from "@lowrank/nn";
import { checkInteger, checkOneOf, refuse, setOptions } from "../../config/checks.ts";
import type { ConfigFormat } from "../../config/peftConfig.ts";
import {
  PromptLearningConfig,
  type PromptLearningOptions,
  promptFields,
  type ResolvedPromptConfig,
} from "../../config/promptLearningConfig.ts";
import { emptyTable, PromptEncoder } from "../../prompt/promptEncoder.ts";
import { modulesToSaveOption, virtualTokensOption } from "../shared/commonOptions.ts";
import { definePromptMethod, type PromptContext, type PromptMethod } from "../shared/method.ts";
import { startingEmbedding } from "./startingEmbedding.ts";

/** Ways to initialise multitask prompt tuning. */
export type MultitaskPromptTuningInit =
  | "TEXT"
  | "RANDOM"
  | "AVERAGE_SOURCE_TASKS"
  | "EXACT_SOURCE_TASK"
  | "ONLY_SOURCE_SHARED";

/** Options of `MultitaskPromptTuningConfig`. */
export interface MultitaskPromptTuningOptions extends PromptLearningOptions {
  /**
   * Initialisation of the virtual tokens. "RANDOM": N(0, 1). "TEXT": the embeddings of the tokens of
   * `promptTuningInitText`. The others read an adapter that was trained on several tasks. "AVERAGE_SOURCE_TASKS": its
   * virtual tokens and the mean of its tasks' factors. "EXACT_SOURCE_TASK": its virtual tokens and the factors of one
   * task. "ONLY_SOURCE_SHARED": its virtual tokens. Default: "RANDOM".
   */
  promptTuningInit?: MultitaskPromptTuningInit;
  /** The initial text for "TEXT". Its tokens are repeated or cut to the number of virtual tokens. */
  promptTuningInitText?: string | null;
  /**
   * Name or path from which PEFT loads the tokenizer for the initial text. Lowrank does not load it: pass the tokenizer
   * to `getPeftModel`.
   */
  tokenizerNameOrPath?: string | null;
  /**
   * Path or address of the weights of the adapter to start from: a safetensors file, or one of `torch.save`. Required
   * for the initialisations that read an adapter.
   */
  promptTuningInitStateDictPath?: string | null;
  /** The task of that adapter whose factors "EXACT_SOURCE_TASK" uses. Default: 0. */
  promptTuningInitTask?: number;
  /** Rank of a task's factors. Default: 1. */
  numRanks?: number;
  /** Number of tasks. With several, each row of a batch must have a task id. Default: 1. */
  numTasks?: number;
}

const inits = ["TEXT", "RANDOM", "AVERAGE_SOURCE_TASKS", "EXACT_SOURCE_TASK", "ONLY_SOURCE_SHARED"] as const;

const startFields = ["prompt_tuning_init_state_dict_path", "prompt_tuning_init_task", "num_ranks", "num_tasks"];

const multitaskFormat: ConfigFormat = {
  classic: [
    ...promptFields,
    ...["prompt_tuning_init", "prompt_tuning_init_text", "tokenizer_name_or_path"],
    ...startFields,
  ],
  floats: [],
  refused: {},
  ignored: { tokenizer_kwargs: null },
};

/** Configuration of multitask prompt tuning (Wang et al. 2023, https://arxiv.org/abs/2303.02861). */
export class MultitaskPromptTuningConfig extends PromptLearningConfig {
  readonly promptTuningInit: MultitaskPromptTuningInit = "RANDOM";
  readonly promptTuningInitText: string | null = null;
  readonly tokenizerNameOrPath: string | null = null;
  readonly promptTuningInitStateDictPath: string | null = null;
  readonly promptTuningInitTask: number = 0;
  readonly numRanks: number = 1;
  readonly numTasks: number = 1;

  constructor(options: MultitaskPromptTuningOptions) {
    super("MULTITASK_PROMPT_TUNING", options);
    setOptions(this, options, multitaskFormat);
    checkOneOf(this, "promptTuningInit", this.promptTuningInit, inits);
    checkInteger(this, "promptTuningInitTask", this.promptTuningInitTask, 0);
    checkInteger(this, "numRanks", this.numRanks);
    checkInteger(this, "numTasks", this.numTasks);
    if (this.promptTuningInit !== "TEXT") return;
    for (const key of ["promptTuningInitText", "tokenizerNameOrPath"] as const) {
      if (!this[key]) refuse(this, key, this[key], 'set, since promptTuningInit is "TEXT"');
    }
  }
}

type Resolved = ResolvedPromptConfig<MultitaskPromptTuningConfig>;

// N tasks, P virtual tokens, R ranks, D hidden size, B rows of a batch.

/** Virtual tokens [P, D], which each task multiplies by a matrix [P, D] of low rank. */
class MultitaskTable extends PromptEncoder {
  embedding: Embedding;
  /** f32 [N, P, R] */
  prefix_task_cols: Parameter;
  /** f32 [N, R, D] */
  prefix_task_rows: Parameter;

  constructor(embedding: Embedding, cols: Tensor, rows: Tensor) {
    super();
    this.embedding = embedding;
    this.prefix_task_cols = new Parameter(cols);
    this.prefix_task_rows = new Parameter(rows);
  }

  rows(): Tensor {
    return this.embedding.weight;
  }

  override get tasks(): number {
    return this.prefix_task_cols.shape[0];
  }

  override rowsOf(taskIds: readonly number[]): Tensor {
    const { prefix_task_cols: cols, prefix_task_rows: rows } = this;
    const ids = tensor(taskIds, { dtype: "i32", backend: cols.storage.backend });
    const ofTasks = (table: Tensor) => {
      const [tasks, ...shape] = table.shape;
      return reshape(embedding(reshape(table, [tasks, -1]), ids), [taskIds.length, ...shape]);
    };
    return mul(this.embedding.weight, matmul(ofTasks(cols), ofTasks(rows)));
  }

  override get further(): Readonly<Record<string, Parameter>> {
    return { prefix_task_cols: this.prefix_task_cols, prefix_task_rows: this.prefix_task_rows };
  }
}

/** Shapes of a configuration's tensors, by their names in files. */
const shapesOf = ({ numTasks, numVirtualTokens, numRanks, tokenDim }: Resolved) => ({
  prompt_embeddings: [numVirtualTokens, tokenDim],
  prefix_task_cols: [numTasks, numVirtualTokens, numRanks],
  prefix_task_rows: [numTasks, numRanks, tokenDim],
});

type Name = keyof ReturnType<typeof shapesOf>;

function createEncoder(context: PromptContext<MultitaskPromptTuningConfig>): PromptEncoder {
  const { config, generator, start } = context;
  const shapes = shapesOf(config);
  const drawn = (name: Name) => randn(shapes[name], { generator, std: 0.02 });
  const source = start && new Source(config, start);
  const shared = source?.get("prompt_embeddings");
  const embedding = shared ? new Embedding(new Parameter(shared)) : startingEmbedding(context);
  const factors = (name: Name) =>
    source && config.promptTuningInit !== "ONLY_SOURCE_SHARED" ? source.ofTasks(name) : drawn(name);
  return new MultitaskTable(embedding, factors("prefix_task_cols"), factors("prefix_task_rows"));
}

/** The tensors of the adapter from which another one starts. */
class Source {
  readonly #config: Resolved;
  readonly #tensors: ReadonlyMap<string, Tensor>;

  constructor(config: Resolved, tensors: ReadonlyMap<string, Tensor>) {
    this.#config = config;
    this.#tensors = tensors;
  }

  #refuse(problem: string): never {
    const { promptTuningInitStateDictPath: path } = this.#config;
    const { name } = this.#config.constructor;
    throw new OptionError(name, "promptTuningInitStateDictPath", path, `${path} ${problem}`);
  }

  #read(name: Name): Tensor {
    return this.#tensors.get(name) ?? this.#refuse(`has no ${name}; give the weights of a multitask prompt adapter`);
  }

  #fitting(name: Name, value: Tensor): Tensor {
    const wanted = shapesOf(this.#config)[name];
    if (value.shape.join() === wanted.join()) return value;
    const one = this.#config.numTasks > 1 ? ", with numTasks 1 unless promptTuningInit is ONLY_SOURCE_SHARED" : "";
    return this.#refuse(`gives ${name} as [${value.shape}], not [${wanted}]; use the same sizes as that adapter${one}`);
  }

  get(name: Name): Tensor {
    return this.#fitting(name, this.#read(name));
  }

  /** Returns the factors of the configured task, or the mean of all tasks' factors. */
  ofTasks(name: Name): Tensor {
    const { promptTuningInit, promptTuningInitTask: task } = this.#config;
    const all = this.#read(name);
    if (promptTuningInit === "AVERAGE_SOURCE_TASKS") {
      return this.#fitting(name, mean(all, { dim: 0, keepdim: true }));
    }
    const [tasks] = all.shape;
    if (task >= tasks) {
      refuse(this.#config, "promptTuningInitTask", task, `below ${tasks}, the number of tasks in the source adapter`);
    }
    return this.#fitting(name, slice(all, { dim: 0, start: task, end: task + 1 }));
  }
}

/**
 * Multitask prompt tuning: virtual tokens that all tasks share, multiplied elementwise by a low-rank matrix of each
 * task. Wang et al. 2023, https://arxiv.org/abs/2303.02861
 */
export const multitaskPromptTuning: PromptMethod<MultitaskPromptTuningConfig> = definePromptMethod({
  peftType: "MULTITASK_PROMPT_TUNING",
  sizes: ["numVirtualTokens", "numRanks", "numTasks"],
  Config: MultitaskPromptTuningConfig,
  format: multitaskFormat,
  recipes: [
    {
      name: "multitask-prompt",
      title: "multitask prompt tuning",
      learningRate: 3e-1,
      config: ({ virtualTokens }) => new MultitaskPromptTuningConfig({ numVirtualTokens: virtualTokens }),
    },
  ],
  options: [
    virtualTokensOption,
    modulesToSaveOption,
    {
      field: "promptTuningInit",
      flag: "prompt-tuning-init",
      type: "oneOf",
      values: inits,
      help: "initial values of the rows",
    },
    { field: "promptTuningInitText", flag: "prompt-tuning-init-text", type: "text", help: "the text of TEXT" },
    {
      field: "tokenizerNameOrPath",
      flag: "tokenizer-name-or-path",
      type: "text",
      help: "what PEFT loads the tokenizer of TEXT by",
    },
    {
      field: "promptTuningInitStateDictPath",
      flag: "prompt-tuning-init-state-dict-path",
      type: "text",
      help: "weights of the adapter to start from",
    },
    {
      field: "promptTuningInitTask",
      flag: "prompt-tuning-init-task",
      type: "integer",
      least: 0,
      help: "the task of that adapter for EXACT_SOURCE_TASK",
    },
    { field: "numRanks", flag: "num-ranks", type: "integer", least: 1, help: "rank of each task's factors" },
    { field: "numTasks", flag: "num-tasks", type: "integer", least: 1, help: "tasks, which examples name as task_id" },
  ],
  kind: "embeddings",
  width: ({ tokenDim }) => tokenDim,
  trainsRows: () => true,
  swappable: {
    fields: [
      ...["promptTuningInit", "promptTuningInitText", "tokenizerNameOrPath"],
      ...["promptTuningInitStateDictPath", "promptTuningInitTask"],
    ],
  },
  startFile(config) {
    const { promptTuningInit, promptTuningInitStateDictPath: path } = config;
    if (promptTuningInit === "RANDOM" || promptTuningInit === "TEXT") return null;
    return (
      path ||
      refuse(config, "promptTuningInitStateDictPath", path, `set, since promptTuningInit is "${promptTuningInit}"`)
    );
  },
  createEncoder,
  emptyEncoder: (config) => {
    const { prefix_task_cols, prefix_task_rows } = shapesOf(config);
    const { embedding } = emptyTable(config.numVirtualTokens, config.tokenDim);
    return new MultitaskTable(embedding, zeros(prefix_task_cols), zeros(prefix_task_rows));
  },
});
