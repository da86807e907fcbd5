import type { Random } from "@lowrank/test-support/random";
import { type Mutation, mutateBytes } from "./bytes.ts";
import { mutateJson, writeJson } from "./json.ts";
import { numbers } from "./values.ts";

/** Changes the header of a safetensors file, its length, or bytes of it. */
export function mutateSafetensors(bytes: Uint8Array, random: Random): Mutation {
  if (random.next() < 0.3 || bytes.length < 8) return mutateBytes(bytes, random);
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  try {
    return withHeader(bytes, length, random);
  } catch {
    return mutateBytes(bytes, random); // The header is no JSON any more, or nested too deep.
  }
}

function withHeader(bytes: Uint8Array, length: number, random: Random): Mutation {
  const { value, what } = mutateJson(JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length))), random);
  const json = new TextEncoder().encode(writeJson(value));
  const lies = random.next() < 0.1;
  const said = lies ? random.pick(numbers) : json.length;
  const prefix = new Uint8Array(8);
  new DataView(prefix.buffer).setBigUint64(0, BigInt.asUintN(64, BigInt(Math.trunc(said))), true);
  const whole = Buffer.concat([prefix, json, bytes.subarray(8 + length)]);
  return { bytes: whole, what: `header: ${what}${lies ? `, of length ${said}` : ""}` };
}
