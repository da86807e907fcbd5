import type { GenerateTextOptions, SaveModelOptions, TextPrompt } from "@lowrank/models";
import type { QuantizationReport, QuantizeInPlaceOptions } from "@lowrank/nn";
import type {
  AdapterFilesOptions,
  GetPeftModelOptions,
  LoadAdapterOptions,
  MergeOptions,
  MergeReport,
  OnWarning,
  PeftConfig,
} from "@lowrank/peft";
import type {
  EvaluateOptions,
  Evaluation,
  Example,
  TokenizedExample,
  TrainerOptions,
  TrainingResult,
} from "@lowrank/train";
import { type Remote, releaseProxy } from "comlink";
import type { ModelHost } from "./modelHost.ts";
import type { StoragePlace } from "./place.ts";
import { placeOf, type RemoteSource, type RemoteStorage, storageOf } from "./remoteSource.ts";
import { sendOptions, type Wire } from "./wire.ts";

/** Configuration of a method, or its fields: `{ peftType: "LORA", r: 8 }`. */
export type PlainConfig = PeftConfig | { readonly peftType: string; readonly [field: string]: unknown };

/** Example: a text, a prompt with its completion, a conversation, or tokens with labels. */
export type RemoteExample = Example | TokenizedExample;

/**
 * Options for `train`. `Folder` is the type of folders: `RemoteStorage` in the page, `StoragePlace` when sent to the
 * Worker.
 */
interface TrainOptionsIn<Folder> extends Omit<TrainerOptions, "optimizer" | "evaluation" | "checkpoints"> {
  optimizer?: "adamw" | "adamw8bit";
  evaluation?: { examples: readonly RemoteExample[]; every?: number };
  checkpoints?: { folder: Folder; every: number };
  /** Checkpoint to resume from, or a folder whose newest complete checkpoint is used. */
  resume?: Folder;
  /** Resumes although options or data differ from the checkpoint's; see `Trainer.resume`. Default false. */
  allowChanges?: boolean;
}

/** Options for `train`: the options of `Trainer`, and `resume`. */
export interface RemoteTrainOptions extends TrainOptionsIn<RemoteStorage> {}

/** Options for `train`, in the form that is sent to the Worker. */
export interface WireTrainOptions extends TrainOptionsIn<StoragePlace> {}

/** Options for `savePretrained`. */
export interface RemoteSaveOptions extends Pick<AdapterFilesOptions, "dtype"> {
  /** Names of the adapters to save. Default: all. */
  selectedAdapters?: readonly string[];
}

/** Options for `evaluate`. Default `batchSize`: 8. */
export type RemoteEvaluateOptions = Partial<EvaluateOptions>;

/** Options for `generateText` and `stream`. `logitsProcessors` cannot be sent to the Worker. */
export type RemoteGenerateOptions = Omit<GenerateTextOptions, "logitsProcessors" | "onToken" | "promptCache">;

type Verify = { verify?: false };

/**
 * Model in a Worker, with its tokenizer and adapters. Its methods have the names and options of functions and methods
 * in the package "lowrank". Callbacks run in the page, and abort signals are forwarded to the Worker.
 */
export class RemoteModel implements AsyncDisposable {
  #host: Remote<ModelHost> | null;

  constructor(host: Remote<ModelHost>) {
    this.#host = host;
  }

  /** Adds a new adapter to the model and activates it. */
  async addAdapter(
    config: PlainConfig,
    options: Omit<GetPeftModelOptions, "generator" | "tokenizer"> = {},
  ): Promise<void> {
    const fields = { ...config };
    await this.#call("addAdapter", options, ["onWarning"], (host, wire) => host.addAdapter(fields, wire));
  }

  /** Loads a saved adapter into the model and activates it. */
  async loadAdapter(
    source: RemoteSource,
    options: LoadAdapterOptions & { adapterName?: string; onWarning?: OnWarning } = {},
  ): Promise<void> {
    const place = placeOf("loadAdapter", source);
    const callbacks = ["onProgress", "onWarning"];
    await this.#call("loadAdapter", options, callbacks, (host, wire) => host.loadAdapter(place as never, wire));
  }

  /** Activates one adapter. */
  async setAdapter(adapterName: string): Promise<void> {
    await this.#there("setAdapter").setAdapter(adapterName);
  }

  /** Removes an adapter from the model. */
  async deleteAdapter(adapterName: string): Promise<void> {
    await this.#there("deleteAdapter").deleteAdapter(adapterName);
  }

  /** Trains the active adapter, or the whole model if it has no adapters. */
  async train(examples: readonly RemoteExample[], options: RemoteTrainOptions): Promise<TrainingResult> {
    const { checkpoints, resume } = options;
    const sent = {
      ...options,
      ...(checkpoints && {
        checkpoints: { ...checkpoints, folder: storageOf("train: checkpoints", checkpoints.folder) },
      }),
      ...(resume !== undefined && { resume: storageOf("train: resume", resume) }),
    };
    return this.#call("train", sent, ["onStep", "onEvaluation", "onWarning"], (host, wire) =>
      host.train(examples as never, wire),
    );
  }

  /** Returns the mean loss and other metrics over examples. */
  async evaluate(examples: readonly RemoteExample[], options: RemoteEvaluateOptions = {}): Promise<Evaluation> {
    return this.#call("evaluate", options, [], (host, wire) => host.evaluate(examples as never, wire));
  }

  /** Continues a prompt: a text, its token ids, or a chat. */
  async generateText(prompt: TextPrompt, options: RemoteGenerateOptions = {}): Promise<string> {
    return this.#call("generateText", options, ["onText"], (host, wire) => host.generateText(prompt as never, wire));
  }

  /** Continues a prompt and yields the text piece by piece. Leaving the loop stops the generation. */
  async *stream(
    prompt: TextPrompt,
    { signal, ...options }: Omit<RemoteGenerateOptions, "onText"> = {},
  ): AsyncGenerator<string, void, void> {
    const left = new AbortController();
    const pieces: string[] = [];
    let wake = () => {};
    let done = false;
    const whole = this.generateText(prompt, {
      ...options,
      signal: signal ? AbortSignal.any([signal, left.signal]) : left.signal,
      onText: (piece) => {
        pieces.push(piece);
        wake();
      },
    }).finally(() => {
      done = true;
      wake();
    });
    whole.catch(() => {});
    try {
      while (true) {
        while (pieces.length > 0) yield pieces.shift() as string;
        if (done) break;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      await whole;
    } finally {
      left.abort();
    }
  }

  /** Quantises the base model in place. Its adapters stay in use. */
  async quantize(options: QuantizeInPlaceOptions = {}): Promise<QuantizationReport> {
    return this.#call("quantize", options, ["onProgress"], (host, wire) => host.quantize(wire));
  }

  /** Merges adapters into the weights. `unmergeAdapter` restores the weights. */
  async mergeAdapter(options: Omit<MergeOptions<never>, "verify"> & Verify = {}): Promise<MergeReport | null> {
    return this.#call("mergeAdapter", options, [], (host, wire) => host.mergeAdapter(wire));
  }

  /** Restores the weights that the model had before `mergeAdapter`. */
  async unmergeAdapter(): Promise<void> {
    await this.#there("unmergeAdapter").unmergeAdapter();
  }

  /** Merges adapters into the weights permanently, and removes the adapters. */
  async mergeAndUnload(options: Omit<MergeOptions<never>, "verify"> & Verify = {}): Promise<MergeReport | null> {
    return this.#call("mergeAndUnload", options, [], (host, wire) => host.mergeAndUnload(wire));
  }

  /** Returns the files of all or some adapters, in PEFT's format. */
  async adapterFiles(
    selectedAdapters?: readonly string[],
    options: Pick<AdapterFilesOptions, "dtype"> = {},
  ): Promise<Map<string, Uint8Array | string>> {
    return this.#call("adapterFiles", options, [], (host, wire) => host.adapterFiles(selectedAdapters as never, wire));
  }

  /** Writes all or some adapters to a folder, in PEFT's format. */
  async savePretrained(folder: RemoteStorage, options: RemoteSaveOptions = {}): Promise<void> {
    const place = storageOf("savePretrained", folder);
    await this.#call("savePretrained", options, [], (host, wire) => host.savePretrained(place as never, wire));
  }

  /** Writes the model to a folder, with its tokenizer. Throws while the model has adapters. */
  async saveModel(folder: RemoteStorage, options: Pick<SaveModelOptions, "dtype"> = {}): Promise<void> {
    const place = storageOf("saveModel", folder);
    await this.#call("saveModel", options, [], (host, wire) => host.saveModel(place as never, wire));
  }

  /** Returns the model's files as `saveModel` writes them. Throws while the model has adapters. */
  async modelFiles(options: Pick<SaveModelOptions, "dtype"> = {}): Promise<Map<string, Uint8Array | string>> {
    return this.#call("modelFiles", options, [], (host, wire) => host.modelFiles(wire));
  }

  /** Frees the model in the Worker. */
  async release(): Promise<void> {
    const host = this.#there("release");
    this.#host = null;
    await host.dispose();
    host[releaseProxy]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#host) await this.release();
  }

  async #call<T>(
    name: string,
    options: object,
    callbacks: readonly string[],
    run: (host: Remote<ModelHost>, wire: Wire) => Promise<T>,
  ): Promise<T> {
    const host = this.#there(name);
    const { wire, end } = sendOptions(name, options, callbacks);
    try {
      return await run(host, wire);
    } finally {
      end();
    }
  }

  #there(call: string): Remote<ModelHost> {
    if (this.#host) return this.#host;
    throw new Error(`${call}: the model was released; load it again`);
  }
}
