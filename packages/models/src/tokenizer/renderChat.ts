import { Interpreter, Template } from "@huggingface/jinja";
import type { ChatMessage, ChatTemplateOptions } from "./chatTemplate.ts";

/**
 * The most steps of a template: real ones take some dozens a message. Counted, not timed, so that a
 * busy machine gives the same answer. A text counts as a step for each of so many characters.
 */
const [mostSteps, charactersOfStep] = [1_000_000, 256];
/** The most characters of a text that a template makes, and the most numbers of a range. */
const [mostCharacters, mostNumbers] = [2 ** 24, 100_000];
/** The filters that put a number of spaces before lines, and the most spaces. */
const [indenting, mostSpaces]: [readonly unknown[], number] = [["indent", "tojson"], 1000];

/** Thrown where a template goes beyond these limits. */
class TooMuch extends Error {}

/** The steps that are left to the template that is being rendered; it is one at a time. */
let stepsLeft = Number.POSITIVE_INFINITY;

type Evaluate = typeof Interpreter.prototype.evaluate;
type Value = ReturnType<Evaluate>;

const { evaluate } = Interpreter.prototype;
Interpreter.prototype.evaluate = function (...[statement, environment]: Parameters<Evaluate>): Value {
  const result = evaluate.call(this, statement, environment);
  const { value } = result as { value?: unknown };
  const characters = typeof value === "string" ? value.length : 0;
  if (characters > mostCharacters) throw new TooMuch(`it makes a text of more than ${mostCharacters} characters`);
  stepsLeft -= 1 + characters / charactersOfStep;
  if (stepsLeft < 0) throw new TooMuch(`it is not done after ${mostSteps} steps`);
  const { type, value: name } = (statement ?? {}) as { type?: string; value?: unknown };
  return type === "Identifier" && name === "range" && typeof value === "function" ? limitedRange(result) : result;
};

/** The parts of the interpreter that its types keep to themselves. */
interface Filtering {
  applyFilter(operand: unknown, filter: Filter, environment: unknown): Value;
  evaluateArguments(args: unknown, environment: unknown): [Argument[], ReadonlyMap<string, Argument>];
}
type Argument = { readonly value?: unknown };
type Filter = { readonly args?: unknown; readonly callee?: { readonly value?: unknown } };

const filtering = Interpreter.prototype as unknown as Filtering;
const { applyFilter } = filtering;
filtering.applyFilter = function (operand, filter, environment) {
  if (indenting.includes(filter.callee?.value)) {
    const [positional, named] = this.evaluateArguments(filter.args, environment);
    const spaces = [...positional, ...named.values()].find(({ value }) => Number(value) > mostSpaces);
    if (spaces) throw new TooMuch(`it indents by ${spaces.value} spaces, more than ${mostSpaces}`);
  }
  return applyFilter.call(this, operand, filter, environment);
};

type Call = (args: { value?: unknown }[], ...rest: unknown[]) => unknown;

/** The function `range` of templates, which throws where it would make too many numbers. */
function limitedRange(range: Value): Value {
  const call: Call = (args, ...rest) => {
    const [first, second, step = 1] = args.map(({ value }) => Number(value));
    const count = (second === undefined ? first : second - first) / step;
    if (!(count <= mostNumbers)) throw new TooMuch(`it asks for a range of ${count} numbers, more than ${mostNumbers}`);
    return (range as unknown as { value: Call }).value(args, ...rest);
  };
  return Object.create(range, { value: { value: call } });
}

/** The template of the last call: a data set renders one thousands of times. */
let parsed: { source: string; template: Template } | undefined;

/**
 * Renders a conversation as the text that the model was trained on. `specialTokens` are the
 * template's variables. Throws, naming the template of `label`, where that is broken, refuses the
 * conversation, or takes too many steps or too much memory.
 */
export function renderChat(
  template: string,
  messages: readonly ChatMessage[],
  specialTokens: Record<string, string>,
  { variables, addGenerationPrompt = false }: ChatTemplateOptions = {},
  label = "the tokenizer",
): string {
  stepsLeft = mostSteps;
  try {
    if (parsed?.source !== template) parsed = { source: template, template: new Template(template) };
    return parsed.template.render({
      ...specialTokens,
      ...variables,
      messages,
      add_generation_prompt: addGenerationPrompt,
    });
  } catch (error) {
    throw new Error(`the chat template of ${label}: ${reasonOf(error)}`, { cause: error });
  } finally {
    stepsLeft = Number.POSITIVE_INFINITY;
  }
}

function reasonOf(error: unknown): string {
  // Errors of JavaScript itself speak of the library's own code.
  if (error instanceof RangeError) return "it nests too deep, or makes a text that is too long";
  if (error instanceof TypeError) return "it takes a value for one of another type";
  const { message } = error as Error;
  if (message.startsWith("Cannot call something")) return "it calls what it does not define";
  return message || "it refuses the conversation";
}
