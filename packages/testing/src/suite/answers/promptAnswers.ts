import { type CausalLM, type ChatMessage, chatEnds, type TextPrompt, type Tokenizer } from "@lowrank/models";
import { answerPrompts } from "@lowrank/train";
import { quoted } from "../shared/check.ts";
import type { PromptTest, Suite } from "../shared/suite.ts";
import { SuiteError } from "../shared/suiteError.ts";
import type { System } from "../shared/systems.ts";
import { type AnswerCheck, answerCheck } from "./expectations.ts";

/** Prompts of a suite, ready to be answered. */
export interface PreparedPrompts {
  readonly tests: readonly { readonly name: string; readonly prompt: string; readonly check: AnswerCheck }[];
  /** Returns a system's answers, in the order of the tests. */
  answers(system: System, onProgress?: (done: number, of: number) => void): Promise<string[]>;
}

/**
 * Prepares the prompts of a suite.
 *
 * @throws `SuiteError` for an invalid JSON schema, a chat without a chat template, and answers that leave no room for
 * prompts.
 */
export async function preparePrompts(suite: Suite, model: CausalLM, tokenizer: Tokenizer): Promise<PreparedPrompts> {
  const { maxNewTokens = 32, batchSize = 32, stop = [], system } = suite.generation ?? {};
  const prompts = suite.prompts ?? [];
  const room = model.maxPositions - (model.virtualTokens?.count ?? 0);
  if (maxNewTokens >= room) {
    throw new SuiteError(
      ["generation", "maxNewTokens"],
      `found ${maxNewTokens}; the model has ${room} positions, which leaves no room for a prompt; lower it`,
    );
  }
  const tests = await Promise.all(
    prompts.map(async (test, i) => {
      const prompt = test.prompt ?? chatLines(test.messages as readonly ChatMessage[]);
      return { name: test.name ?? quoted(prompt), prompt, check: await answerCheck(test, ["prompts", i]) };
    }),
  );
  const chats = prompts.filter(({ messages }) => messages !== undefined);
  const textEnds = [
    ...new Set([
      ...(model.generationConfig?.eosTokenIds ?? []),
      ...(tokenizer.eosTokenId === null ? [] : [tokenizer.eosTokenId]),
    ]),
  ];
  const ends = chats.length > 0 && tokenizer.chatTemplate !== null ? await chatEnds(model, tokenizer) : textEnds;
  const settings = { maxNewTokens, batchSize, stop };
  return {
    tests,
    answers: (system_, onProgress) =>
      system_.run(async () => {
        const kinds = [
          { indices: indicesOf(prompts, ({ messages }) => messages === undefined), eosTokenIds: textEnds },
          { indices: indicesOf(prompts, ({ messages }) => messages !== undefined), eosTokenIds: ends },
        ];
        const answers = new Array<string>(prompts.length);
        let before = 0;
        for (const { indices, eosTokenIds } of kinds) {
          if (indices.length === 0) continue;
          const asked = indices.map((i) => textPrompt(prompts[i], system));
          const found = await answerPrompts(model, tokenizer, asked, {
            ...{ ...settings, eosTokenIds },
            onProgress: (done) => onProgress?.(before + done, prompts.length),
          });
          for (const [k, i] of indices.entries()) answers[i] = found[k];
          before += indices.length;
        }
        return answers;
      }),
  };
}

function indicesOf(prompts: readonly PromptTest[], isWanted: (test: PromptTest) => boolean): number[] {
  return prompts.flatMap((test, i) => (isWanted(test) ? [i] : []));
}

function textPrompt({ prompt, messages }: PromptTest, system: string | undefined): TextPrompt {
  if (!messages) return prompt as string;
  const has = system === undefined || messages[0].role === "system";
  return has ? messages : [{ role: "system", content: system }, ...messages];
}

function chatLines(messages: readonly ChatMessage[]): string {
  return messages.map(({ role, content }) => `${role}: ${content}`).join("\n");
}
