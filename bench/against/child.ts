// `child.js SUBJECT OPTIONS`: measures one subject in a separate process with the packages of the folder that it is in.
// Prints one line of JSON: milliseconds or bytes by part. It is bundled and also runs in another commit's folder. So it
// uses only what the packages export, and awaits results that are promises in only one of the commits.
import { decode } from "./decode.ts";
import { dispatch } from "./dispatch.ts";
import { gemm } from "./gemm.ts";
import { memory } from "./memory.ts";
import { serve } from "./serve.ts";
import { step } from "./step.ts";
import type { ChildOptions, Parts } from "./subject.ts";

const subjects: Record<string, (options: ChildOptions) => Promise<Parts>> = {
  step,
  gemm,
  decode,
  memory,
  dispatch,
  serve,
};
const [subject, options] = process.argv.slice(2) as [string, string];
console.log(JSON.stringify(await subjects[subject]!(JSON.parse(options) as ChildOptions)));
process.exit(0);
