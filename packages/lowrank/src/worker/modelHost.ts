import {
  type CausalLM,
  generateText,
  type LoadedModel,
  type SaveModelOptions,
  saveModel,
  type TextPrompt,
} from "@lowrank/models";
import { modelFileContents } from "@lowrank/models/internal";
import { type QuantizationReport, type QuantizeInPlaceOptions, quantize } from "@lowrank/nn";
import {
  type AdapterFilesOptions,
  type GetPeftModelOptions,
  getPeftModel,
  type LoadAdapterOptions,
  type MergeOptions,
  type MergeReport,
  type OnWarning,
  type PeftConfig,
  PeftModel,
} from "@lowrank/peft";
import { methodOf } from "@lowrank/peft/internal";
import {
  type Evaluation,
  evaluate,
  type TokenizedExample,
  Trainer,
  type TrainingResult,
  tokenizeExample,
} from "@lowrank/train";
import { transfer } from "comlink";
import { openPlace, openStorage, type Place, type StoragePlace } from "./place.ts";
import type {
  PlainConfig,
  RemoteEvaluateOptions,
  RemoteExample,
  RemoteGenerateOptions,
  RemoteSaveOptions,
  WireTrainOptions,
} from "./remoteModel.ts";
import { type Wire, withOptions } from "./wire.ts";

/** Files of a model or of adapters, by name. */
type Files = Map<string, Uint8Array | string>;

/** Model in the Worker, whose methods the page calls, with its tokenizer and adapters. */
export class ModelHost {
  readonly #loaded: LoadedModel;
  #peft: PeftModel<CausalLM> | null = null;

  constructor(loaded: LoadedModel) {
    this.#loaded = loaded;
  }

  async addAdapter({ peftType, ...fields }: PlainConfig, wire: Wire): Promise<void> {
    const method = await methodOf({ peftType } as PeftConfig);
    const config = new method.Config(fields as never);
    await withOptions<GetPeftModelOptions, void>(wire, async (options) => {
      const { tokenizer } = this.#loaded;
      if (!this.#peft) {
        this.#peft = await getPeftModel(this.#loaded.model, config, { tokenizer, ...options });
        return;
      }
      const { adapterName = "default", onWarning: _, ...others } = options;
      await this.#peft.addAdapter(adapterName, config, { tokenizer, ...others });
      this.#peft.setAdapter(adapterName);
    });
  }

  async loadAdapter(place: Place, wire: Wire): Promise<void> {
    type Options = LoadAdapterOptions & { adapterName?: string; onWarning?: OnWarning };
    await withOptions<Options, void>(wire, async ({ adapterName = "default", onWarning, ...options }) => {
      const source = openPlace(place);
      if (source instanceof Blob) throw new Error("loadAdapter: give the adapter's files by name, not one file");
      const peft = this.#peft ?? new PeftModel(this.#loaded.model, onWarning);
      await peft.loadAdapter(source, adapterName, options);
      peft.setAdapter(adapterName);
      this.#peft = peft;
    });
  }

  setAdapter(adapterName: string): void {
    this.#adapted("setAdapter").setAdapter(adapterName);
  }

  deleteAdapter(adapterName: string): void {
    this.#adapted("deleteAdapter").deleteAdapter(adapterName);
  }

  async train(examples: readonly RemoteExample[], wire: Wire): Promise<TrainingResult> {
    return withOptions<WireTrainOptions, TrainingResult>(
      wire,
      async ({ evaluation, checkpoints, resume, allowChanges, ...options }) => {
        const trainer = new Trainer(this.#peft ?? this.#loaded.model, await this.#tokenized(examples), {
          ...options,
          evaluation: evaluation && { ...evaluation, examples: await this.#tokenized(evaluation.examples) },
          checkpoints: checkpoints && { ...checkpoints, folder: openStorage(checkpoints.folder) },
        });
        if (resume !== undefined) await trainer.resume(openStorage(resume), { allowChanges });
        return trainer.train();
      },
    );
  }

  async evaluate(examples: readonly RemoteExample[], wire: Wire): Promise<Evaluation> {
    return withOptions<RemoteEvaluateOptions, Evaluation>(wire, async (options) => {
      const rows = await this.#tokenized(examples);
      return evaluate(this.#peft ?? this.#loaded.model, rows, { batchSize: 8, ...options });
    });
  }

  async generateText(prompt: TextPrompt, wire: Wire): Promise<string> {
    return withOptions<RemoteGenerateOptions, string>(wire, (options) =>
      generateText(this.#loaded.model, this.#tokenizer(), prompt, options),
    );
  }

  async quantize(wire: Wire): Promise<QuantizationReport> {
    return withOptions<QuantizeInPlaceOptions, QuantizationReport>(wire, ({ signal: _, ...options }) =>
      this.#peft ? this.#peft.quantizeBase(options) : quantize(this.#loaded.model, options),
    );
  }

  async mergeAdapter(wire: Wire): Promise<MergeReport | null> {
    const peft = this.#adapted("mergeAdapter");
    await withOptions<MergeOptions<CausalLM>, void>(wire, (options) => peft.mergeAdapter(options));
    return peft.mergeReport;
  }

  unmergeAdapter(): void {
    this.#adapted("unmergeAdapter").unmergeAdapter();
  }

  async mergeAndUnload(wire: Wire): Promise<MergeReport | null> {
    const peft = this.#adapted("mergeAndUnload");
    await withOptions<MergeOptions<CausalLM>, unknown>(wire, (options) => peft.mergeAndUnload(options));
    this.#peft = null;
    return peft.mergeReport;
  }

  async adapterFiles(adapterNames: readonly string[] | undefined, wire: Wire): Promise<Files> {
    const peft = this.#adapted("adapterFiles");
    return withOptions<AdapterFilesOptions, Files>(wire, async ({ signal: _, ...options }) =>
      moved(await peft.adapterFiles(adapterNames, options)),
    );
  }

  async savePretrained(folder: StoragePlace, wire: Wire): Promise<void> {
    const peft = this.#adapted("savePretrained");
    await withOptions<RemoteSaveOptions, void>(wire, async ({ signal: _, ...options }) => {
      await peft.savePretrained(openStorage(folder), options);
    });
  }

  async saveModel(folder: StoragePlace, wire: Wire): Promise<void> {
    this.#checkBare("saveModel");
    const { model, config, files } = this.#loaded;
    await withOptions<SaveModelOptions, void>(wire, async ({ signal: _, ...options }) =>
      saveModel(model, config, openStorage(folder), { companions: files, ...options }),
    );
  }

  async modelFiles(wire: Wire): Promise<Files> {
    this.#checkBare("modelFiles");
    const { model, config, files } = this.#loaded;
    return withOptions<SaveModelOptions, Files>(wire, async ({ signal: _, ...options }) =>
      moved(await modelFileContents(model, config, { companions: files, ...options })),
    );
  }

  /** Frees the model and its adapters. */
  dispose(): void {
    for (const parameter of (this.#peft ?? this.#loaded.model).parameters()) parameter.dispose();
  }

  #tokenizer() {
    const { tokenizer } = this.#loaded;
    if (tokenizer) return tokenizer;
    throw new Error("the model's files have no tokenizer.json; add it, or give token ids");
  }

  #checkBare(call: string): void {
    if (!this.#peft) return;
    const names = [...this.#peft.peftConfig.keys()].join(", ");
    throw new Error(
      `${call}: the model has adapters (${names}); call mergeAndUnload first, or save the adapter with adapterFiles`,
    );
  }

  #adapted(call: string): PeftModel<CausalLM> {
    if (this.#peft) return this.#peft;
    throw new Error(`${call}: the model has no adapter; call addAdapter or loadAdapter first`);
  }

  async #tokenized(examples: readonly RemoteExample[]): Promise<TokenizedExample[]> {
    const rows: TokenizedExample[] = [];
    for (const example of examples) {
      rows.push("inputIds" in example ? example : await tokenizeExample(this.#tokenizer(), example));
    }
    return rows;
  }
}

/** Transfers the bytes of files to the page instead of copying them. */
function moved(files: Files): Files {
  const buffers = new Set<ArrayBufferLike>();
  for (const content of files.values()) {
    if (typeof content !== "string" && content.byteLength === content.buffer.byteLength) buffers.add(content.buffer);
  }
  return transfer(files, [...buffers] as ArrayBuffer[]);
}
