import type { MiddlewareHandler } from "hono";
import { FedKimError } from "../../formats/errors.ts";

/** An endpoint as the application knows it; middleware has the method `ALL`. */
export interface Endpoint {
  /** Method in capitals. */
  readonly method: string;
  /** Path with `:name` for a segment and `*` for anything. */
  readonly path: string;
}

/** A function that gives the methods of a path, sorted; none where no endpoint has it. HEAD goes with GET. */
export function methodsOf(endpoints: readonly Endpoint[]): (path: string) => readonly string[] {
  const known = endpoints.filter(({ method }) => method !== "ALL").map(({ method, path }) => ({
    methods: method === "GET" ? ["GET", "HEAD"] : [method],
    pattern: new RegExp(`^${path.replace(/:[^/]+|[*]|[^:*]+/g, asPattern)}$`),
  }));
  return (path) => {
    const found = known.filter(({ pattern }) => pattern.test(path)).flatMap(({ methods }) => methods);
    return [...new Set(found)].sort();
  };
}

function asPattern(part: string): string {
  if (part === "*") return ".*";
  return part.startsWith(":") ? "[^/]+" : RegExp.escape(part);
}

/**
 * Answers 405 with `allow` where a path has endpoints, but none for the request's method: before anybody asks for a
 * signature, as the description of the API tells it to everybody anyway.
 * @param endpoints all endpoints, asked for at the first request
 */
export function onlyKnownMethods(endpoints: () => readonly Endpoint[]): MiddlewareHandler {
  let methods: ((path: string) => readonly string[]) | undefined;
  return async (c, next) => {
    methods ??= methodsOf(endpoints());
    const { method, path } = c.req;
    const allowed = methods(path);
    if (allowed.length === 0 || allowed.includes(method)) return await next();
    c.header("allow", allowed.join(", "));
    throw new FedKimError("FormatError", "This endpoint has other methods.", {
      reason: "wrong_method",
      found: method,
      needed: allowed.join(" or "),
    });
  };
}
