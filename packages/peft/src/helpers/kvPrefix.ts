import { copyInto, noGrad, scope, stack, type Tensor, tensor } from "@lowrank/core";
import { checkOptions } from "@lowrank/core/internal";
import type { KVCache } from "@lowrank/nn";
import { type AnyMethod, isPromptMethod } from "../methods/shared/method.ts";
import type { AdaptableModel } from "../model/adaptedLoss.ts";
import type { PeftModel } from "../peftModel/peftModel.ts";
import type { PromptTokens } from "../prompt/promptTokens.ts";

/** A tokenizer of @lowrank/models, or any object with these functions. */
export interface PrefixTokenizer {
  encode(text: string, options?: { addSpecialTokens?: boolean }): readonly number[];
  readonly chatTemplate?: string | null;
  applyChatTemplate?(messages: readonly { role: "system"; content: string }[]): Promise<string>;
}

/** Options of `initializeKvPrefixFromText`. */
export interface KvPrefixOptions {
  text: string;
  /** Default: the active adapter. */
  adapterName?: string;
  /** True: the text is the system message of the chat template, if the tokenizer has one. Default: true. */
  useChatTemplate?: boolean;
  /** Reads only this many tokens. Default: all. */
  maxLength?: number;
}

/** A language model that fills a cache. */
interface CachingModel {
  createCache(batch: number, capacity: number): KVCache;
  forward(inputs: { inputIds: Tensor; cache: KVCache }): unknown;
}

/**
 * Returns the keys and values of a cache's first tokens as virtual tokens, f32 [numVirtualTokens, layers · 2 · width],
 * as files of cartridges and prefix tuning contain them. The caller frees the tensor.
 *
 * @throws If the cache has several sequences or fewer tokens.
 *
 * @example
 * using rows = promptEmbeddingsFromPastKeyValues(cache, { numVirtualTokens: 16 });
 */
export function promptEmbeddingsFromPastKeyValues(
  pastKeyValues: KVCache,
  options: { numVirtualTokens: number },
): Tensor {
  const where = "promptEmbeddingsFromPastKeyValues";
  checkOptions(where, options, { numVirtualTokens: true });
  const { numVirtualTokens: count } = options;
  if (!Number.isInteger(count) || count < 1) {
    throw new Error(`${where}: numVirtualTokens is ${count}; give an integer of at least 1`);
  }
  if (pastKeyValues.length < count) {
    throw new Error(
      `${where}: numVirtualTokens is ${count}, and the cache has ${pastKeyValues.length} tokens; read a longer text, or use fewer virtual tokens`,
    );
  }
  return noGrad(() =>
    scope(() => {
      const parts = pastKeyValues.stored(count).flatMap(({ keys, values }) => [keys, values]);
      const other = parts.find(({ shape }) => shape.join() !== parts[0].shape.join());
      if (other || parts[0].shape[0] !== 1) {
        const sizes = other ? `layers of [${parts[0].shape}] and [${other.shape}]` : `${parts[0].shape[0]} sequences`;
        throw new Error(`${where}: the cache has ${sizes}; give the cache of one sequence, with layers of one size`);
      }
      return stack(parts, { dim: 2 }).reshape([count, -1]);
    }),
  );
}

/**
 * Sets the virtual tokens of a cartridge, or of prefix tuning without projection, to the keys and values of a cache's
 * first tokens.
 *
 * @throws If the adapter is of another method, and if the cache does not fit.
 *
 * @example
 * using cache = model.createCache(1, 64);
 * noGrad(() => model.forward({ inputIds, cache }));
 * initializeKvPrefixFromPastKeyValues(peft, { pastKeyValues: cache });
 */
export function initializeKvPrefixFromPastKeyValues<M extends AdaptableModel>(
  peft: PeftModel<M>,
  options: { pastKeyValues: KVCache; adapterName?: string },
): void {
  const where = "initializeKvPrefixFromPastKeyValues";
  checkOptions(where, options, { pastKeyValues: true, adapterName: true });
  const { encoder, count } = prefixOf(peft, options.adapterName, where);
  using found = promptEmbeddingsFromPastKeyValues(options.pastKeyValues, { numVirtualTokens: count });
  noGrad(() =>
    scope(() => {
      const rows = encoder.rows();
      if (rows.shape.join() !== found.shape.join()) {
        throw new Error(
          `${where}: the cache gives [${found.shape}], and the adapter has [${rows.shape}]; fill the cache by the adapter's base model`,
        );
      }
      encoder.setRows(found);
      if (encoder.rows() === rows) copyInto(rows, found);
    }),
  );
}

/**
 * Sets the virtual tokens of a cartridge, or of prefix tuning without projection, to the keys and values that the base
 * model computes for the first tokens of a text.
 *
 * @throws If the adapter is of another method, and if the text has fewer tokens than the adapter.
 *
 * @example
 * await initializeKvPrefixFromText(peft, tokenizer, { text: manual });
 */
export async function initializeKvPrefixFromText<M extends AdaptableModel>(
  peft: PeftModel<M>,
  tokenizer: PrefixTokenizer,
  options: KvPrefixOptions,
): Promise<void> {
  const where = "initializeKvPrefixFromText";
  checkOptions(where, options, { text: true, adapterName: true, useChatTemplate: true, maxLength: true });
  const { text, adapterName = peft.activeAdapter ?? "default", useChatTemplate = true, maxLength } = options;
  const { count } = prefixOf(peft, adapterName, where);
  const model = peft.baseModel as unknown as Partial<CachingModel>;
  if (!model.createCache) throw new Error(`${where}: the model has no createCache; give a language model of loadModel`);
  const ids = (await tokensOf(tokenizer, text, useChatTemplate)).slice(0, maxLength);
  if (ids.length < count) {
    throw new Error(
      `${where}: the text has ${ids.length} tokens, and adapter "${adapterName}" ${count} virtual tokens; give a longer text, or use fewer virtual tokens`,
    );
  }
  // Later tokens do not change the keys and values of earlier ones.
  const inputIds = tensor([ids.slice(0, count)], { dtype: "i32", backend: peft.backend });
  using cache = peft.disableAdapter(() => {
    const filled = model.createCache!(1, count);
    noGrad(() => scope(() => void model.forward!({ inputIds, cache: filled })));
    return filled;
  });
  inputIds.dispose();
  initializeKvPrefixFromPastKeyValues(peft, { pastKeyValues: cache, adapterName });
}

async function tokensOf(tokenizer: PrefixTokenizer, text: string, useChatTemplate: boolean): Promise<number[]> {
  if (!useChatTemplate || !tokenizer.applyChatTemplate || !tokenizer.chatTemplate) return [...tokenizer.encode(text)];
  const chat = await tokenizer.applyChatTemplate([{ role: "system", content: text }]);
  return [...tokenizer.encode(chat, { addSpecialTokens: false })];
}

/** Returns the virtual tokens of an adapter. Throws unless they are trained keys and values. */
function prefixOf<M extends AdaptableModel>(
  peft: PeftModel<M>,
  name: string = peft.activeAdapter ?? "default",
  where: string,
): PromptTokens {
  const { prompt, method, config } = peft.base_model.adapter(name);
  const known: AnyMethod = method;
  const trainsRows = isPromptMethod(known) && known.trainsRows(config as never);
  if (prompt?.kind === "cache" && trainsRows) return prompt;
  const found = prompt?.kind === "cache" ? `${method.peftType} with a projection` : method.peftType;
  throw new Error(
    `${where}: adapter "${name}" is ${found}; give a cartridge, or prefix tuning without prefixProjection`,
  );
}
