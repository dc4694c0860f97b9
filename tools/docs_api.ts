/**
 * `deno run -A tools/docs_api.ts`: writes `docs/reference/api.md` from the routes that check every request, the same
 * that `/openapi.json` describes.
 *
 * @module
 */
import { join } from "node:path";
import { ROUTES } from "../src/federation/api/routes.ts";
import { REPOSITORY } from "./_source_files.ts";

/** Where the page is, from the root of the repository. */
export const API_PAGE = "docs/reference/api.md";

/** What is read of a route. */
interface Route {
  readonly method: string;
  readonly path: string;
  readonly summary?: string;
  readonly description?: string;
  readonly security?: readonly unknown[];
  readonly responses: Readonly<Record<string, { readonly description: string }>>;
}

function section(route: Route): string {
  const { method, path, summary, description, security, responses } = route;
  const answers = Object.entries(responses).map(([status, answer]) =>
    `| ${status} | ${answer.description} |`
  );
  return [
    `## ${method.toUpperCase()} ${path}\n`,
    `${[summary, description].filter((text) => text !== undefined).join(". ")}.\n`,
    security === undefined ? "Unsigned.\n" : "Signed by an enrolled member (RFC 9421).\n",
    "| status | meaning |\n| --- | --- |",
    ...answers,
    "",
  ].join("\n");
}

/** The whole page. */
export function apiPage(): string {
  return [
    "# HTTP API of the aggregator\n",
    "Made by `tools/docs_api.ts` from the routes; do not edit it by hand. A running aggregator describes itself at",
    "`/openapi.json` with all schemas. Problems are RFC 9457 documents with a `code` of [errors](../errors.md); the",
    "messages of a step are described in [protocol](../protocol.md).\n",
    ...Object.values(ROUTES).map((route) => section(route as unknown as Route)),
  ].join("\n");
}

if (import.meta.main) {
  await Deno.writeTextFile(join(REPOSITORY, API_PAGE), apiPage());
  await new Deno.Command(Deno.execPath(), { args: ["fmt", "-q", join(REPOSITORY, API_PAGE)] }).output();
  console.log(`wrote ${API_PAGE}`);
}
