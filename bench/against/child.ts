// `child.js SUBJECT OPTIONS`: measures one subject in a process of its own, on the packages of the
// commit whose folder it lies in, and prints one line of JSON: by name, milliseconds or bytes. It
// is bundled, and put into another commit's folder too: it uses only what the packages export, and
// awaits what is a promise in one of the two commits.
import { decode } from "./decode.ts";
import { dispatch } from "./dispatch.ts";
import { gemm } from "./gemm.ts";
import { memory } from "./memory.ts";
import { step } from "./step.ts";
import type { ChildOptions, Parts } from "./subject.ts";

const subjects: Record<string, (options: ChildOptions) => Promise<Parts>> = { step, gemm, decode, memory, dispatch };
const [subject, options] = process.argv.slice(2) as [string, string];
console.log(JSON.stringify(await subjects[subject]!(JSON.parse(options) as ChildOptions)));
process.exit(0);
