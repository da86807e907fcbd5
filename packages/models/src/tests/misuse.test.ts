import { Generator, init, reference, tensor } from "@lowrank/core";
import { memoryFiles } from "@lowrank/files";
import { beforeAll, describe, expect, it } from "vitest";
import * as models from "../index.ts";
import * as internal from "../internal.ts";
import type { CausalLM } from "../model/causalLM.ts";

beforeAll(async () => {
  await init(reference());
});

// biome-ignore lint/suspicious/noExplicitAny: calls from JavaScript have no types
const loose = models as any;
// biome-ignore lint/suspicious/noExplicitAny: calls from JavaScript have no types
const looseInternal = internal as any;
const inNode = globalThis.process?.getBuiltinModule !== undefined;

const json = {
  ...{ model_type: "llama", vocab_size: 11, hidden_size: 8, intermediate_size: 12, num_hidden_layers: 1 },
  ...{ num_attention_heads: 2, num_key_value_heads: 1, max_position_embeddings: 16 },
};
const config = models.parseModelConfig(json);
const model = (): CausalLM => models.createModel(config, models.randomParameters(new Generator(5)));
// biome-ignore lint/suspicious/noExplicitAny: calls from JavaScript have no types
const forward = (inputs: unknown) => () => model().forward(inputs as any);

describe("inputs of a model", () => {
  const ids = tensor([1, 2], { dtype: "i32", backend: reference() });
  it.each<[string, unknown, string]>([
    [
      "one sequence",
      { inputIds: ids },
      'inputIds is [2], and a batch is [B, T]; for one sequence give tensor([ids], { dtype: "i32" })',
    ],
    ["a list", { inputIds: [1, 2] }, 'inputIds is a list; give a batch of token ids, tensor([ids], { dtype: "i32" })'],
    ["input_ids", { input_ids: ids }, "forward: there is no option input_ids; did you mean inputIds?"],
  ])("%s", (_name, inputs, message) => {
    expect(forward(inputs)).toThrow(message);
  });

  it("reshape(1, -1) makes a batch of one", () => {
    const own = tensor([1, 2], { dtype: "i32" });
    expect(model().forward({ inputIds: own.reshape(1, -1) }).logits.shape).toEqual([1, 2, 11]);
  });
});

describe("generate", () => {
  it.each<[string, unknown, object, string]>([
    [
      "max_new_tokens",
      [[1]],
      { max_new_tokens: 1 },
      "generate: there is no option max_new_tokens; did you mean maxNewTokens?",
    ],
    ["topp", [[1]], { top_p: 1 }, "did you mean topP?"],
    ["one prompt", [1, 2], {}, "generate: the ids of one prompt were given; write [ids]"],
    [
      "a text",
      "hello",
      {},
      "prompts are lists of token ids, as in [tokenizer.encode(text)], and generateText takes a text",
    ],
    ["texts", ["hello"], {}, "prompt 0 is string"],
    ["a tensor", [tensor], {}, "prompt 0 is function"],
  ])("%s", async (_name, prompts, options, message) => {
    await expect(loose.generate(model(), prompts, options)).rejects.toThrow(message);
  });
});

describe("loadModel", () => {
  const files = async () => memoryFiles(await internal.modelFileContents(model(), config));

  it("loads files in memory, ArrayBuffers too", async () => {
    const contents = await internal.modelFileContents(model(), config);
    const buffers = Array.from(contents, ([name, content]): [string, string | ArrayBuffer] => [
      name,
      typeof content === "string" ? content : (content.slice().buffer as ArrayBuffer),
    ]);
    expect((await models.loadModel(memoryFiles(new Map(buffers)))).model.vocabSize).toBe(11);
  });

  it("loads a folder by its http(s) address", async () => {
    const contents = await internal.modelFileContents(model(), config);
    const { fetch } = globalThis;
    globalThis.fetch = async (input, init) => {
      const body = contents.get(String(input).split("https://models.test/name/")[1]);
      if (body === undefined) return new Response(null, { status: 404 });
      return new Response(init?.method === "HEAD" ? null : (body as BodyInit));
    };
    try {
      expect((await models.loadModel("https://models.test/name")).model.vocabSize).toBe(11);
    } finally {
      globalThis.fetch = fetch;
    }
  });

  it("refuses unknown options and dtypes by the right name", async () => {
    const source = await files();
    await expect(loose.loadModel(source, { torch_dtype: "f16" })).rejects.toThrow(
      "loadModel: there is no option torch_dtype",
    );
    await expect(loose.loadModel(source, { dtype: "float32" })).rejects.toThrow(
      'dtype "float32" is named "f32" in Lowrank',
    );
    await expect(loose.loadModel(source, { dtype: "float16" })).rejects.toThrow(
      'dtype "float16" is named "f16" in Lowrank',
    );
    await expect(loose.loadModel(source, { dtype: "i32" })).rejects.toThrow('give "f32", "f16", "bf16" or "auto"');
    const quantize = { quant_type: "nf4" };
    await expect(loose.loadModel(source, { quantize })).rejects.toThrow("did you mean quantType?");
    await expect(looseInternal.modelFileContents(model(), config, { dType: "f16" })).rejects.toThrow(
      "did you mean dtype?",
    );
  });

  it("loads a GGUF file by its bytes, too", async () => {
    const pieces: BlobPart[] = [];
    const gguf = models.writeGguf(await models.toGguf(await files(), { dtype: "f32", name: "m" }));
    for await (const piece of gguf) pieces.push(piece.slice() as BlobPart);
    const buffer = await new Blob(pieces).arrayBuffer();
    for (const source of [buffer, new Uint8Array(buffer), new Blob([buffer])]) {
      expect((await models.loadModel(source)).model.vocabSize).toBe(11);
    }
    await expect(models.loadModel(new ArrayBuffer(8))).rejects.toThrow("the GGUF file cannot be read as GGUF");
  });

  it("says that an address cannot be reached", async () => {
    await expect(models.loadModel("http://127.0.0.1:9/model")).rejects.toThrow(
      /^http:\/\/127\.0\.0\.1:9\/model\/config\.json cannot be reached \(.+\); check the address and its CORS/,
    );
  });

  it("loadSafetensors takes bytes of any kind, and says what else it takes", async () => {
    const bytes = (await internal.modelFileContents(model(), config)).get("model.safetensors") as Uint8Array;
    for (const source of [bytes.slice().buffer as ArrayBuffer, bytes, new Blob([bytes as BlobPart])]) {
      expect((await models.loadSafetensors(model(), source)).missingKeys).toEqual([]);
    }
    await expect(loose.loadSafetensors(model(), new Map())).rejects.toThrow("files come from a folder's path");
  });

  it("says what a source may be", async () => {
    const folder = inNode ? "There is no folder" : 'give urlFiles(new URL("model/", location.href)), or memoryFiles';
    await expect(models.loadModel("./no/such/folder")).rejects.toThrow(folder);
    const hub = inNode ? 'if it is a repository of the Hugging Face hub, give "hf://org/name"' : "urlFiles(";
    await expect(models.loadModel("org/name")).rejects.toThrow(hub);
    await expect(loose.loadModel({ "config.json": "{}" })).rejects.toThrow('memoryFiles({ "config.json": ... })');
    await expect(loose.loadModel()).rejects.toThrow("undefined was given");
  });
});
