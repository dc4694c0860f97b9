/** A change of one place of a source text. Positions are UTF-16 offsets, as JavaScript strings count. */
export interface Change {
  /** Which operator made it, such as `guard removed` or `< to <=`. */
  readonly operator: string;
  /** First character replaced. */
  readonly start: number;
  /** One after the last. */
  readonly end: number;
  /** What stands there instead. */
  readonly replacement: string;
}

/** What the operators read of a node of the syntax tree: ESTree with TypeScript, as `Deno.lint` gives it. */
export interface SyntaxNode {
  readonly type: string;
  readonly range: readonly [number, number];
  readonly parent?: SyntaxNode | null;
  readonly [field: string]: unknown;
}

const BINARY: Readonly<Record<string, string>> = {
  "<": "<=",
  "<=": "<",
  ">": ">=",
  ">=": ">",
  "===": "!==",
  "!==": "===",
  "+": "-",
  "-": "+",
  "*": "/",
  "/": "*",
  "%": "*",
  "**": "*",
  "&": "|",
  "|": "&",
  "^": "|",
  "<<": ">>",
  ">>": "<<",
  ">>>": "<<",
};
const LOGICAL: Readonly<Record<string, string>> = { "&&": "||", "||": "&&" };
const ASSIGNMENT: Readonly<Record<string, string>> = {
  "+=": "-=",
  "-=": "+=",
  "*=": "/=",
  "/=": "*=",
  "^=": "|=",
  "|=": "&=",
  "&=": "|=",
  "<<=": ">>=",
  ">>=": "<<=",
  ">>>=": "<<=",
};

/** Every change that the operators make of this node; none for types and for the text of messages. */
export function changesOf(node: SyntaxNode, text: string): readonly Change[] {
  if (node.type.startsWith("TS") || isTypeOrText(node)) return [];
  switch (node.type) {
    case "IfStatement":
      return ofCondition(node.test as SyntaxNode, leaves(node.consequent as SyntaxNode), text);
    case "ConditionalExpression":
      return ofCondition(node.test as SyntaxNode, false, text);
    case "BinaryExpression":
      return joinsText(node) ? [] : ofOperator(node, BINARY, text);
    case "LogicalExpression":
      return ofOperator(node, LOGICAL, text);
    case "AssignmentExpression":
      return ofOperator(node, ASSIGNMENT, text);
    case "Literal":
      return ofLiteral(node);
    case "UnaryExpression":
      return node.operator === "!" ? [change("! dropped", node, source(node.argument, text))] : [];
    case "ExpressionStatement":
      return isCall(node.expression as SyntaxNode) ? [change("call dropped", node, ";")] : [];
    case "FunctionDeclaration":
    case "FunctionExpression":
    case "ArrowFunctionExpression":
      return ofFunction(node);
    default:
      return [];
  }
}

function change(operator: string, { range: [start, end] }: SyntaxNode, replacement: string): Change {
  return { operator, start, end, replacement };
}

function source(node: unknown, text: string): string {
  return text.slice(...(node as SyntaxNode).range);
}

/** Types have no code behind them; templates and the arguments of `throw` are the text of messages. */
function isTypeOrText(node: SyntaxNode): boolean {
  for (let at = node.parent; at; at = at.parent) {
    if (at.type === "TemplateLiteral" || at.type === "ThrowStatement") return true;
    if (
      /^TS(LiteralType|EnumMember|TypeAnnotation|TypeAliasDeclaration|InterfaceDeclaration)$/.test(at.type)
    ) {
      return true;
    }
  }
  return false;
}

/** A guard is an `if` whose branch leaves the function: by an error, a return or the next turn of a loop. */
function leaves(branch: SyntaxNode): boolean {
  const last = branch.type === "BlockStatement" ? (branch.body as SyntaxNode[]).at(-1) : branch;
  return last !== undefined && /^(Throw|Return|Continue|Break)Statement$/.test(last.type);
}

function ofCondition(test: SyntaxNode, guard: boolean, text: string): Change[] {
  const negated = change("condition negated", test, `!(${source(test, text)})`);
  return guard ? [change("guard removed", test, "false"), negated] : [negated];
}

function ofOperator(node: SyntaxNode, table: Readonly<Record<string, string>>, text: string): Change[] {
  const found = node.operator as string;
  if (!Object.hasOwn(table, found)) return [];
  const start = (node.left as SyntaxNode).range[1];
  const end = (node.right as SyntaxNode).range[0];
  const at = start + text.slice(start, end).indexOf(found);
  return [{
    operator: `${found} to ${table[found]}`,
    start: at,
    end: at + found.length,
    replacement: table[found],
  }];
}

/** Whether a `+` joins strings: one side is text, at any depth. */
function joinsText(node: SyntaxNode): boolean {
  if (node.type === "TemplateLiteral") return true;
  if (node.type === "Literal") return typeof node.value === "string";
  return node.type === "BinaryExpression" && node.operator === "+" &&
    (joinsText(node.left as SyntaxNode) || joinsText(node.right as SyntaxNode));
}

function ofLiteral(node: SyntaxNode): Change[] {
  const { parent } = node;
  // The linter's parser gives NaN for digits that are grouped by underscores.
  const grouped = typeof node.value === "number" && Number.isNaN(node.value);
  const value = grouped ? Number(String(node.raw).replaceAll("_", "")) : node.value;
  if (parent?.type === "Property" && parent.key === node && parent.computed !== true) return [];
  if (typeof value === "boolean") return [change("boolean flipped", node, `${!value}`)];
  if (typeof value === "bigint") return [change("constant + 1", node, `${value + 1n}n`)];
  if (typeof value !== "number") return [];
  if (!Number.isInteger(value)) return [change("constant doubled", node, `${2 * value}`)];
  const more = change("constant + 1", node, `${value + 1}`);
  return value < 2 ? [more] : [more, change("constant - 1", node, `${value - 1}`)];
}

function isCall({ type, argument }: SyntaxNode): boolean {
  if (type === "AwaitExpression") return isCall(argument as SyntaxNode);
  return type === "CallExpression";
}

/** A function that gives nothing can return at once; one of a single statement is the same as the dropped call. */
function ofFunction(node: SyntaxNode): Change[] {
  const body = node.body as SyntaxNode | null;
  if (body?.type !== "BlockStatement" || (body.body as SyntaxNode[]).length < 2) return [];
  if (!givesNothing((node.returnType as SyntaxNode | null)?.typeAnnotation)) return [];
  const start = body.range[0] + 1;
  return [{ operator: "returns at once", start, end: start, replacement: " return; " }];
}

function givesNothing(type: unknown): boolean {
  const found = type as SyntaxNode | undefined;
  if (found?.type === "TSVoidKeyword") return true;
  const name = (found?.typeName as SyntaxNode | undefined)?.name;
  const argument = ((found?.typeArguments as SyntaxNode | undefined)?.params as SyntaxNode[] | undefined)
    ?.[0];
  return name === "Promise" && argument?.type === "TSVoidKeyword";
}
