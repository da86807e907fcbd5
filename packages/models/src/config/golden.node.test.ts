import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { folderFiles } from "@lowrank/files";
import { goldenFolder, sharedPath } from "@lowrank/test-support/folders";
import { expect, test } from "vitest";
import { parseClassifierConfig, parseModelConfig, toHfConfig } from "../registry/configs/modelConfig.ts";
import { readModelConfig } from "../registry/configs/readModelConfig.ts";

const models = sharedPath("models", "configs of real models");
const json = async (path: string) => JSON.parse(await readFile(path, "utf8"));

for (const name of ["llama", "llama-tied", "llama3-rope", "gpt2"]) {
  test(`${name}: transformers 4 and 5 write the same config, and it is written back`, async () => {
    const four = await json(join(goldenFolder, "models", name, "config.json"));
    const five = await json(join(goldenFolder, "models", name, "config.v5.json"));
    const config = parseModelConfig(four);
    expect(parseModelConfig(five)).toEqual(config);
    const written = toHfConfig(config);
    expect(parseModelConfig(written)).toEqual(config);
    // For gpt2, tie_word_embeddings is true by default, so transformers 4 does not write it.
    expect({ tie_word_embeddings: true, ...four }).toMatchObject(written);
  });
}

for (const name of ["bert-cls", "roberta-cls", "gpt2-cls"]) {
  test(`${name}: transformers 4 and 5 write the same config, and it is written back`, async () => {
    const four = await json(join(goldenFolder, "models", name, "config.json"));
    const config = parseClassifierConfig(four);
    expect(parseClassifierConfig(await json(join(goldenFolder, "models", name, "config.v5.json")))).toEqual(config);
    const written = toHfConfig(config);
    expect(parseClassifierConfig(written)).toEqual(config);
    expect({ tie_word_embeddings: true, ...four }).toMatchObject(written);
    expect(() => parseModelConfig(four)).toThrow("load it with loadSequenceClassifier");
  });
}

for (const name of ["distilbert-cls", "modernbert-cls", "deberta-v2-cls"]) {
  test(`${name}: what is written is read back, and transformers 5 means the same`, async () => {
    const config = parseClassifierConfig(await json(join(goldenFolder, "models", name, "config.json")));
    expect(parseClassifierConfig(toHfConfig(config))).toEqual(config);
    expect(parseClassifierConfig(await json(join(goldenFolder, "models", name, "config.v5.json")))).toEqual(config);
  });
}

for (const name of ["stories260K-hf", "pyspell-hf", "gpt-nano-sort-hf", "smollm2-135m-instruct"]) {
  test.skipIf(!models)(`${name} is read and written back`, async () => {
    const config = await readModelConfig(await folderFiles(join(models as string, name)));
    const file = await json(join(models as string, name, "config.json"));
    const written = toHfConfig(config);
    expect(parseModelConfig(written)).toEqual(config);
    for (const [key, value] of Object.entries(file))
      if (key in written) expect(written).toMatchObject({ [key]: value });
  });
}
