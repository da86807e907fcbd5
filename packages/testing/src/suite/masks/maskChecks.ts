import { type CausalLM, chatEnds, type Tokenizer } from "@lowrank/models";
import { ignoreIndex } from "@lowrank/train";
import { maskedText } from "@lowrank/train/internal";
import { fact } from "../shared/check.ts";
import type { MaskCheck, MaskTests } from "../shared/suite.ts";
import type { MaskedExample, SuiteCheck } from "../shared/suiteReport.ts";
import { type MaskExample, maskExamples } from "./maskExamples.ts";
import { hasHeader, type MaskContext, maskRules } from "./maskProblems.ts";

/** Checks the loss masks of training examples. Also returns the examples, with the parts that are learned. */
export async function maskChecks(
  tests: MaskTests,
  model: CausalLM,
  tokenizer: Tokenizer,
): Promise<{ checks: SuiteCheck[]; masks: MaskedExample[] }> {
  const examples = await maskExamples(tests, tokenizer);
  if ("group" in examples) return { checks: [examples], masks: [] };
  const context = await contextOf(tests, examples, model, tokenizer);
  const names = tests.checks ?? (Object.keys(maskRules) as MaskCheck[]);
  const problems = examples.map(() => [] as string[]);
  const checks = names.flatMap((name): SuiteCheck[] => {
    const { title, rule } = maskRules[name];
    const found = examples.map((example) => rule(example, context));
    const applied = found.filter((problem) => problem !== undefined).length;
    // A check that was asked for by name is reported even if it applies to no example.
    if (applied === 0 && !tests.checks) return [];
    if (applied === 0)
      return [fact("masks", title, false, "no example has what this check needs; leave it out of checks")];
    for (const [i, problem] of found.entries()) if (problem) problems[i].push(`${title}: ${problem}`);
    const bad = found.flatMap((problem, i) => (problem ? [i] : []));
    const limit = name === "truncatedEnd" ? Math.floor((tests.maxTruncated ?? 0) * applied) : 0;
    const values = { value: bad.length, limit };
    if (bad.length === 0) return [fact("masks", title, true, `${examplesText(applied)} right`, values)];
    const first = `${examples[bad[0]].where}: ${found[bad[0]]}`;
    const counted = `${bad.length} of ${examplesText(applied)} wrong`;
    const allowed = limit > 0 ? `, and ${limit} are allowed` : "";
    return [fact("masks", title, bad.length <= limit, `${counted}${allowed}; ${first}`, values)];
  });
  const masks = examples.map(({ where, tokens }, i) => shown(tokenizer, where, tokens, context.maxLength, problems[i]));
  return { checks, masks };
}

function shown(
  tokenizer: Tokenizer,
  where: string,
  { inputIds, labels }: MaskExample["tokens"],
  maxLength: number,
  problems: readonly string[],
): MaskedExample {
  const length = Math.min(inputIds.length, maxLength);
  const kept = {
    inputIds: inputIds.slice(0, length),
    labels: Array.from({ length }, (_, t) => labels[t] ?? ignoreIndex),
  };
  const learned = kept.labels.filter((label) => label !== ignoreIndex).length;
  return { where, tokens: length, learned, parts: maskedText(tokenizer, kept), problems };
}

async function contextOf(
  { maxLength, checks }: MaskTests,
  examples: readonly MaskExample[],
  model: CausalLM,
  tokenizer: Tokenizer,
): Promise<MaskContext> {
  const isChatModel = tokenizer.chatTemplate !== null;
  const ends = isChatModel ? await chatEnds(model, tokenizer) : (model.generationConfig?.eosTokenIds ?? []);
  const own = tokenizer.eosTokenId === null ? [] : [tokenizer.eosTokenId];
  const header = isChatModel ? await headerOf(tokenizer) : [];
  // Other records than chats need the template only if some of their kind have it, or if the suite names the check.
  const rendered = examples.filter(({ kind, tokens: { inputIds } }) => {
    return kind === "chat" || checks?.includes("template") || hasHeader(inputIds, header);
  });
  return {
    ...{ tokenizer, header, ends: [...new Set([...ends, ...own])], maxLength: maxLength ?? model.maxPositions },
    rendered: new Set(rendered.map(({ kind }) => kind)),
  };
}

/** Returns the tokens that the chat template puts before an answer; empty if it has none, or needs other messages. */
async function headerOf(tokenizer: Tokenizer): Promise<number[]> {
  try {
    const messages = [{ role: "user", content: "question" }];
    const closed = await tokenizer.applyChatTemplate(messages);
    const open = await tokenizer.applyChatTemplate(messages, { addGenerationPrompt: true });
    return open.startsWith(closed) ? tokenizer.encode(open.slice(closed.length), { addSpecialTokens: false }) : [];
  } catch {
    return [];
  }
}

const examplesText = (count: number): string => (count === 1 ? "1 example is" : `${count} examples are`);
