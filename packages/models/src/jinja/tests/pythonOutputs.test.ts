import { describe, expect, test } from "vitest";
import { Template } from "../template.ts";
import python from "./pythonOutputs.gen.json" with { type: "json" };

interface Case {
  template: string;
  text?: string;
  error?: string;
}

const render = (template: string): string => new Template(template).render(python.context).text;

// `pnpm conformance templates` renders the table with transformers again.
for (const [name, cases] of Object.entries<Case[]>(python.groups)) {
  describe(name, () => {
    test.each(cases)("$template", ({ template, text }) => {
      if (text === undefined)
        expect(() => render(template)).toThrow(expect.objectContaining({ name: "TemplateError" }));
      else expect(render(template)).toBe(text);
    });
  });
}
