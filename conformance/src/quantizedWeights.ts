import {
  dynamicMap,
  fromBitsandbytes,
  Generator,
  type QuantType,
  quantize4bit,
  quantizeBlockwise,
  randn,
  type SafetensorsTensor,
  scope,
  tensor,
  to,
  toBitsandbytes,
} from "@lowrank/core";
import type { Findings } from "./compare.ts";
import type { Python } from "./python.ts";

export const quantTypes: readonly QuantType[] = ["nf4", "fp4"];

/** All block sizes that bitsandbytes supports. */
export const blockSizes = [32, 64, 128, 256, 512, 1024, 2048, 4096];

const torchNames = { f32: "float32", f16: "float16", bf16: "bfloat16" } as const;

type Entries = Record<string, { dtype: "f32" | "u8"; shape: number[]; data: string }>;

const bytesOf = (entries: Entries, name: string): Uint8Array<ArrayBuffer> => {
  return Uint8Array.from(Buffer.from(entries[name]?.data ?? "", "base64"));
};
const floatsOf = (entries: Entries, name: string): Float32Array => new Float32Array(bytesOf(entries, name).buffer);
const base64 = ({ buffer, byteOffset, byteLength }: Float32Array | Uint8Array): string => {
  return Buffer.from(buffer, byteOffset, byteLength).toString("base64");
};

/**
 * Draws normally distributed values of any magnitude in one of several shapes. Some values and some whole blocks are
 * zero.
 */
function draw(seed: number): { values: Float32Array; shape: number[] } {
  const generator = new Generator(seed);
  const numbers = new Int32Array(3);
  generator.fillInt(numbers, 1, 120);
  const shape = [numbers[0], 3 * numbers[1] + (seed % 3)];
  const values = randn(shape, { generator, std: 2 ** ((numbers[2] % 40) - 30) }).dataSync() as Float32Array;
  if (seed % 2 === 1) values.fill(0, values.length >> 2, values.length >> 1);
  return { values, shape };
}

/**
 * Quantises random weights to 4 bits. Every entry of the checkpoint must equal bitsandbytes' byte for byte, and be
 * readable.
 */
export async function packedWeights(
  python: Python,
  quantType: QuantType,
  blockSize: number,
  doubleQuant: boolean,
): Promise<Findings> {
  const problems: string[] = [];
  let [missed, codes] = [0, 0];
  for (const [seed, dtype] of (["f32", "f16", "bf16", "f32", "f32"] as const).entries()) {
    const { values, shape } = draw(8 * seed + Math.log2(blockSize));
    const request = { data: base64(values), shape, dtype: torchNames[dtype], quant_type: quantType };
    const quantization = { blocksize: blockSize, double_quant: doubleQuant };
    const theirs = await python.ask<Entries>("quantize_weight", { ...request, ...quantization });
    const packed = scope(() =>
      quantize4bit(to(tensor(values, { shape }), { dtype }), { quantType, blockSize, doubleQuant }),
    );
    const ours = await toBitsandbytes(packed, "weight", { dtype });
    const { scales: _, ...entries } = theirs;
    const label = `${dtype} [${shape}]`;
    const names = Object.keys(entries).sort().join();
    const own = ours.map(({ name }) => name);
    if (own.sort().join() !== names) problems.push(`${label}: entries ${own}; bitsandbytes has ${names}`);
    for (const entry of ours) {
      const wanted = bytesOf(theirs, entry.name);
      if (Buffer.compare(entry.bytes, wanted) === 0) continue;
      if (!doubleQuant || entry.name !== "weight.absmax") problems.push(`${label}: ${entry.name} differs`);
      else missed += misses(entry.bytes, wanted, theirs, problems, label);
    }
    codes += doubleQuant ? bytesOf(theirs, "weight.absmax").length : 0;
    const read = Object.entries(entries).map(([name, { dtype: kind, shape: as }]): SafetensorsTensor => {
      return { name, dtype: kind, shape: as, bytes: bytesOf(theirs, name) };
    });
    const back = await toBitsandbytes(fromBitsandbytes(read, "weight").weight, "weight", { dtype });
    const changed = back.filter(({ name, bytes }) => Buffer.compare(bytes, bytesOf(theirs, name)) !== 0);
    if (changed.length > 0) problems.push(`${label}: ${changed.map(({ name }) => name)} read back otherwise`);
  }
  // bitsandbytes looks codes up in a table of rounded values, and misses the nearest one in a few of a thousand cases.
  if (missed > Math.max(2, 0.01 * codes)) problems.push(`${missed} of ${codes} nested codes differ`);
  return { differences: new Map(doubleQuant ? [["nested codes", missed / codes]] : []), problems };
}

/**
 * Returns the number of nested codes that differ. Adds a problem for each that is not nearer to its scale than
 * bitsandbytes' code.
 */
function misses(ours: Uint8Array, theirs: Uint8Array, entries: Entries, problems: string[], label: string): number {
  const state = JSON.parse(Buffer.from(findState(entries)).toString()) as { nested_offset: number };
  const [scales, nested, map] = ["scales", "weight.nested_absmax", "weight.nested_quant_map"].map((name) =>
    floatsOf(entries, name),
  );
  let count = 0;
  for (const [i, code] of ours.entries()) {
    if (code === theirs[i]) continue;
    count++;
    const x = (scales[i] - state.nested_offset) / nested[i >> 8];
    const [own, other] = [Math.abs(x - map[code]), Math.abs(x - map[theirs[i]])];
    if (!(own < other)) problems.push(`${label}: nested code ${i} is ${code}, which is no nearer than ${theirs[i]}`);
  }
  return count;
}

function findState(entries: Entries): Uint8Array {
  return bytesOf(entries, Object.keys(entries).find((name) => name.includes("quant_state")) as string);
}

/** Quantises random values in 8-bit blocks. Tables and scales must be equal bit for bit, and codes equal or nearer. */
export async function blocks8bit(python: Python, blocksize: number, signed: boolean): Promise<Findings> {
  const { values, shape } = draw(blocksize);
  const request = { data: base64(values), shape, blocksize, signed };
  const theirs = await python.ask<Entries>("quantize_blocks", request);
  const [code, expected] = [floatsOf(theirs, "code"), bytesOf(theirs, "codes")];
  const problems: string[] = [];
  if (dynamicMap({ signed }).some((v, i) => v !== code[i])) problems.push("the table of codes differs");
  const [q, absmax] = quantizeBlockwise(tensor(values, { shape }), tensor(code), { blockSize: blocksize });
  const [codes, scales] = [await q.data(), floatsOf(theirs, "absmax")];
  if ((await absmax.data()).some((v, i) => v !== scales[i])) problems.push("scales differ");
  let missed = 0;
  for (const [i, v] of values.entries()) {
    if (codes[i] === expected[i]) continue;
    missed++;
    const x = v / scales[Math.floor(i / blocksize)];
    if (Math.abs(x - code[codes[i]]) < Math.abs(x - code[expected[i]])) continue;
    problems.push(`code ${i} is ${codes[i]}, which is no nearer to ${x} than ${expected[i]}`);
  }
  if (missed > 0.01 * values.length) problems.push(`${missed} of ${values.length} codes differ`);
  return { differences: new Map([["codes", missed / values.length]]), problems };
}
