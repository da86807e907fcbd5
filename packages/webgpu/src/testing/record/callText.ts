import { createHash } from "node:crypto";
import type { TensorSpec } from "@lowrank/core/backend";
import type { Example, GpuTensor } from "../../kernel/kernel.ts";
import type { Dispatch, Shader } from "../../kernel/shader.ts";
import { expectRunnable } from "./limits.ts";

/** The most dispatches of a call that are written out. */
const mostLines = 4;

/** Returns the first characters of the hash of a text. */
const hashOf = (text: string): string => createHash("sha256").update(text).digest("hex").slice(0, 8);

/** The parts of a shader's text that are the same for all its dispatches. */
interface ShaderText {
  /** The hash of the WGSL; two hashes if the WGSL for devices with subgroups is another one. */
  readonly hash: string;
  /** The names and types of the uniforms. */
  readonly uniforms: readonly (readonly [name: string, type: string])[];
}

const shaderTexts = new WeakMap<Shader, ShaderText>();

/** Returns the hash and the uniforms of a shader. Throws if no device could run it. */
export function textOf(shader: Shader): ShaderText {
  const known = shaderTexts.get(shader);
  if (known) return known;
  const { code, subgroupCode } = shader;
  for (const one of [code, subgroupCode]) expectRunnable(shader.name, one);
  const declared = /struct Uniforms \{ ([^}]*) \}/.exec(code)?.[1] ?? "";
  const made = {
    hash: subgroupCode === code ? hashOf(code) : `${hashOf(code)} ${hashOf(subgroupCode)}`,
    uniforms: [...declared.matchAll(/(\w+): (\w+)/g)].map(([, name, type]) => [name, type] as const),
  };
  shaderTexts.set(shader, made);
  return made;
}

/** Returns the dtype and the shape of a tensor. */
export const specText = ({ shape, dtype, packing }: TensorSpec): string =>
  `${dtype}${packing?.nested ? " nested" : ""}[${shape}]`;

function tensorText(tensor: GpuTensor): string {
  const { window } = tensor;
  return `${specText(tensor)}${window ? ` bytes ${window.offset}+${window.bytes}` : ""}`;
}

/** Returns the uniforms other than 0. Floats have six digits, which are the same on every machine. */
function uniformsText({ shader, words }: Dispatch): string {
  const floats = new Float32Array(words.buffer);
  const numberOf = (type: string, i: number): number =>
    type === "f32" ? Number(floats[i].toPrecision(6)) : type === "i32" ? words[i] | 0 : words[i];
  const values = textOf(shader).uniforms.map(([name, type], i) => [name, numberOf(type, i)] as const);
  return values.flatMap(([name, value]) => (value === 0 ? [] : [`${name}=${value}`])).join(" ");
}

function runText(run: Dispatch, call: readonly GpuTensor[]): string {
  const { shader, tensors, groups, faultsIn } = run;
  const name = (tensor: GpuTensor): string => {
    const at = call.indexOf(tensor);
    return at < 0 ? tensorText(tensor) : `#${at}`;
  };
  const bound = tensors.map((tensor, i) => `${name(tensor)}${shader.writes[i] ? "!" : ""}`).join(" ");
  const faults = shader.faults ? `, faults in ${faultsIn ? name(faultsIn) : "none"}` : "";
  return `  ${shader.name} (${groups}): ${bound}; ${uniformsText(run)}${faults}; ${textOf(shader).hash}`;
}

/** Returns the lines of a list of dispatches. Of a long list, only some are written out. */
export function runsText(runs: readonly Dispatch[], call: readonly GpuTensor[]): string {
  const lines = runs.map((run) => runText(run, call));
  if (lines.length <= mostLines) return lines.join("\n");
  const [first, last] = [lines.slice(0, mostLines - 2), lines.slice(-1)];
  const rest = lines.slice(mostLines - 2, -1);
  return [...first, `  and ${rest.length} more; ${hashOf(rest.join("\n"))}`, ...last].join("\n");
}

/** Returns the values of a call's parameters. Long lists are replaced by a hash. */
export function paramsText(params: unknown): string {
  if (params === undefined) return "";
  const text = JSON.stringify(params, (_, value: unknown) => (typeof value === "bigint" ? `${value}n` : value)) ?? "";
  return text.length > 200 ? ` params ${hashOf(text)}` : text === "{}" ? "" : ` ${text}`;
}

/** Returns the inputs and the parameters of an example, with the ranges of the random values. */
export function exampleText({ inputs, params }: Example): string {
  const texts = inputs.map((input) => {
    const { positive, below, values } = input;
    const range = `${positive ? " positive" : ""}${below === undefined ? "" : ` below ${below}`}`;
    return `${specText(input)}${range}${values ? ` values ${hashOf(`${values.map(Math.fround)}`)}` : ""}`;
  });
  return `${texts.join(" ")}${paramsText(params)}`;
}
