import { changesOf, type SyntaxNode } from "./operators.ts";

const NODES = [
  "IfStatement",
  "ConditionalExpression",
  "BinaryExpression",
  "LogicalExpression",
  "AssignmentExpression",
  "Literal",
  "UnaryExpression",
  "ExpressionStatement",
  "FunctionDeclaration",
  "FunctionExpression",
  "ArrowFunctionExpression",
] as const;

/** A lint rule that finds no faults but places: each message is one change in JSON, so `deno lint --json` lists them. */
const plugin: Deno.lint.Plugin = {
  name: "mutation",
  rules: {
    sites: {
      create(context) {
        const visit = (node: unknown): void => {
          for (const change of changesOf(node as SyntaxNode, context.sourceCode.text)) {
            context.report({ node: node as Deno.lint.Node, message: JSON.stringify(change) });
          }
        };
        return Object.fromEntries(NODES.map((name) => [name, visit]));
      },
    },
  },
};

export default plugin;
