import {
  dequantizeBlockwise,
  dynamicMap,
  fromBitsandbytes,
  type QuantType,
  quantize4bit,
  quantizeBlockwise,
  type SafetensorsTensor,
  toBitsandbytes,
} from "@lowrank/core";
import { type ModelFiles, readJson } from "@lowrank/files";
import { GoldenFile } from "@lowrank/test-support/golden";
import { type Check, equal } from "../check/compare.ts";
import type { GoldenPart } from "../check/goldenFiles.ts";

/** An entry of nf4/index.json. */
interface Case {
  case: string;
  shape: number[];
  blocksize: number;
  quant_type: QuantType;
  double_quant: boolean;
}

/** Returns a golden file's name for a weight or its quantisation state, given the name in a checkpoint. */
const goldenName = (id: string, name: string): string => {
  return name === "weight" ? `${id}.packed` : name.replace(/^weight\./, `${id}.state.`);
};

/** Checks nf4/: codes, scales and states as bitsandbytes writes them, their values, and 8-bit blocks, byte by byte. */
export async function* nf4(files: ModelFiles): AsyncGenerator<GoldenPart> {
  if (!(await files.has("nf4/index.json"))) return;
  const golden = await GoldenFile.of(files, "nf4/golden.safetensors");
  for (const nf4Case of (await readJson(files, "nf4/index.json")) as Case[]) {
    yield { name: `nf4/${nf4Case.case}`, checks: () => weightChecks(golden, nf4Case) };
  }
  if (golden.has("int8.weight")) yield { name: "nf4/int8", checks: () => blockwiseChecks(golden) };
}

async function* weightChecks(golden: GoldenFile, nf4Case: Case): AsyncGenerator<Check> {
  const { case: id, quant_type: quantType, blocksize: blockSize, double_quant: doubleQuant } = nf4Case;
  using weight = await golden.tensor(`${id}.weight`);
  using packed = quantize4bit(weight, { quantType, blockSize, doubleQuant });
  const entries = await toBitsandbytes(packed, "weight");
  const read: SafetensorsTensor[] = [];
  for (const { name, bytes, dtype, shape } of entries) {
    const found = goldenName(id, name);
    using expected = await golden.tensor(found);
    yield equal(`nf4/${found}`, bytes, await expected.bytes());
    const stored = `${expected.dtype} [${expected.shape}]`;
    if (stored !== `${dtype} [${shape}]`) yield { name: `nf4/${found}`, error: `${dtype} [${shape}] is not ${stored}` };
    read.push({ name, dtype: expected.dtype, shape: expected.shape, bytes: await expected.bytes() });
  }
  const names = golden.names(`${id}.`).filter((name) => !/\.(weight|dequantized)$/.test(name));
  yield equal(`nf4/${id}: number of entries`, [entries.length], [names.length]);
  const { weight: opened } = fromBitsandbytes(read, "weight");
  using wide = opened.to("f32");
  yield equal(`nf4/${id}.dequantized`, await wide.data(), await golden.array(`${id}.dequantized`));
  opened.dispose();
}

async function* blockwiseChecks(golden: GoldenFile): AsyncGenerator<Check> {
  yield equal("nf4/int8.code", dynamicMap(), await golden.array("int8.code"));
  using weight = await golden.tensor("int8.weight");
  using code = await golden.tensor("int8.code");
  const blockSize = 256;
  const [q, absmax] = quantizeBlockwise(weight, code, { blockSize });
  using wide = dequantizeBlockwise(q, absmax, code, { blockSize });
  yield equal("nf4/int8.q", await q.data(), await golden.array("int8.q"));
  yield equal("nf4/int8.absmax", await absmax.data(), await golden.array("int8.absmax"));
  yield equal("nf4/int8.dequantized", await wide.data(), await golden.array("int8.dequantized"));
  q.dispose();
  absmax.dispose();
}
