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

/** A method's configuration, or its fields: `{ peftType: "LORA", r: 8 }`. */
export type PlainConfig = PeftConfig | { readonly peftType: string; readonly [field: string]: unknown };

/** A text, a prompt with its completion, a conversation, or the tokens of one. */
export type RemoteExample = Example | TokenizedExample;

/** Options of `train` that keep files in folders of type `Folder`. */
interface TrainOptionsIn<Folder> extends Omit<TrainerOptions, "optimizer" | "evaluation" | "checkpoints"> {
  optimizer?: "adamw" | "adamw8bit";
  evaluation?: { examples: readonly RemoteExample[]; every?: number };
  checkpoints?: { folder: Folder; every: number };
  /** A checkpoint to go on from, or the folder of several: the newest whole one. */
  resume?: Folder;
  /** Goes on although options or data differ from those of the checkpoint; see `Trainer.resume`. */
  allowChanges?: boolean;
}

/** Options of `train`: those of `Trainer`, and `resume`. */
export interface RemoteTrainOptions extends TrainOptionsIn<RemoteStorage> {}

/** Options of `train` as they cross to the Worker. */
export interface WireTrainOptions extends TrainOptionsIn<StoragePlace> {}

/** Options of `savePretrained`. */
export interface RemoteSaveOptions extends Pick<AdapterFilesOptions, "dtype"> {
  /** Default: all adapters. */
  selectedAdapters?: readonly string[];
}

/** Options of `evaluate`. `batchSize` is 8 by default. */
export type RemoteEvaluateOptions = Partial<EvaluateOptions>;

/** Options of `generateText` and `stream`. `logitsProcessor` cannot cross to the Worker. */
export type RemoteGenerateOptions = Omit<GenerateTextOptions, "logitsProcessors" | "onToken" | "promptCache">;

type Verify = { verify?: false };

/**
 * A model in the Worker, with its tokenizer and adapters. All calls are those of "lowrank" under
 * the same names, with the same options: functions are called in the page, and signals arrive.
 */
export class RemoteModel implements AsyncDisposable {
  #host: Remote<ModelHost> | null;

  constructor(host: Remote<ModelHost>) {
    this.#host = host;
  }

  /** Puts a fresh adapter on the model, which then acts. */
  async addAdapter(
    config: PlainConfig,
    options: Omit<GetPeftModelOptions, "generator" | "tokenizer"> = {},
  ): Promise<void> {
    const fields = { ...config };
    await this.#call("addAdapter", options, ["onWarning"], (host, wire) => host.addAdapter(fields, wire));
  }

  /** Puts a saved adapter on the model, which then acts. */
  async loadAdapter(
    source: RemoteSource,
    options: LoadAdapterOptions & { adapterName?: string; onWarning?: OnWarning } = {},
  ): Promise<void> {
    const place = placeOf("loadAdapter", source);
    const callbacks = ["onProgress", "onWarning"];
    await this.#call("loadAdapter", options, callbacks, (host, wire) => host.loadAdapter(place as never, wire));
  }

  /** Makes one adapter act. */
  async setAdapter(adapterName: string): Promise<void> {
    await this.#there("setAdapter").setAdapter(adapterName);
  }

  /** Takes an adapter off the model. */
  async deleteAdapter(adapterName: string): Promise<void> {
    await this.#there("deleteAdapter").deleteAdapter(adapterName);
  }

  /** Trains the acting adapter, or the model itself where it has none. */
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

  /** Returns the loss over examples. */
  async evaluate(examples: readonly RemoteExample[], options: RemoteEvaluateOptions = {}): Promise<Evaluation> {
    return this.#call("evaluate", options, [], (host, wire) => host.evaluate(examples as never, wire));
  }

  /** Continues a text, the ids of one or a chat. */
  async generateText(prompt: TextPrompt, options: RemoteGenerateOptions = {}): Promise<string> {
    return this.#call("generateText", options, ["onText"], (host, wire) => host.generateText(prompt as never, wire));
  }

  /** Continues a text, piece by piece. Leaving the loop ends the generation. */
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

  /** Quantises the model in place, below its adapters. */
  async quantize(options: QuantizeInPlaceOptions = {}): Promise<QuantizationReport> {
    return this.#call("quantize", options, ["onProgress"], (host, wire) => host.quantize(wire));
  }

  /** Folds adapters into the weights, which `unmergeAdapter` restores. */
  async mergeAdapter(options: Omit<MergeOptions<never>, "verify"> & Verify = {}): Promise<MergeReport | null> {
    return this.#call("mergeAdapter", options, [], (host, wire) => host.mergeAdapter(wire));
  }

  /** Takes merged weights out again. */
  async unmergeAdapter(): Promise<void> {
    await this.#there("unmergeAdapter").unmergeAdapter();
  }

  /** Folds adapters into the weights for good. */
  async mergeAndUnload(options: Omit<MergeOptions<never>, "verify"> & Verify = {}): Promise<MergeReport | null> {
    return this.#call("mergeAndUnload", options, [], (host, wire) => host.mergeAndUnload(wire));
  }

  /** The files of all adapters, or of some, as PEFT lays them out. */
  async adapterFiles(
    selectedAdapters?: readonly string[],
    options: Pick<AdapterFilesOptions, "dtype"> = {},
  ): Promise<Map<string, Uint8Array | string>> {
    return this.#call("adapterFiles", options, [], (host, wire) => host.adapterFiles(selectedAdapters as never, wire));
  }

  /** Writes all adapters, or some, into a folder, as PEFT lays them out. */
  async savePretrained(folder: RemoteStorage, options: RemoteSaveOptions = {}): Promise<void> {
    const place = storageOf("savePretrained", folder);
    await this.#call("savePretrained", options, [], (host, wire) => host.savePretrained(place as never, wire));
  }

  /** Writes the model into a folder, with its tokenizer. Throws while it carries adapters. */
  async saveModel(folder: RemoteStorage, options: Pick<SaveModelOptions, "dtype"> = {}): Promise<void> {
    const place = storageOf("saveModel", folder);
    await this.#call("saveModel", options, [], (host, wire) => host.saveModel(place as never, wire));
  }

  /** The files of the model, as `saveModel` writes them. Throws while it carries adapters. */
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
