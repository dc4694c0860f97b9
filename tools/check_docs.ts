/**
 * `deno run -A tools/check_docs.ts`: every error code has a section with its exit status in `docs/errors.md` and the
 * reverse, links between our own pages and files named as evidence lead somewhere, symbols named with their file are
 * defined there, and the README's commands exist.
 *
 * @module
 */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { ERROR_EXIT_STATUS } from "../src/formats/errors.ts";
import { report, REPOSITORY } from "./_source_files.ts";

/** The anchor that GitHub gives a heading. */
export function anchorOf(heading: string): string {
  return heading.toLowerCase().replace(/[^\p{L}\p{N}\s_-]/gu, "").trim().replaceAll(" ", "-");
}

/** Markdown without fenced code. */
const prose = (text: string): string => text.replace(/^```[\s\S]*?^```/gm, "");

const headings = (text: string): string[] =>
  [...prose(text).matchAll(/^#{1,6} +(.+)$/gm)].map((match) => match[1].trim());

/** Faults of `docs/errors.md` against a table of codes and exit statuses. */
export function errorPageFaults(page: string, codes: Readonly<Record<string, number>>): string[] {
  const sections = new Map(
    page.split(/^## /m).slice(1).map((section) => [section.split("\n", 1)[0].trim(), section]),
  );
  const missing = Object.entries(codes).flatMap(([code, status]) => {
    const section = sections.get(code);
    if (section === undefined) return [`docs/errors.md has no section "${code}"`];
    const stated = /^Exit status: (\d+)/m.exec(section)?.[1];
    return stated === String(status)
      ? []
      : [`docs/errors.md: ${code} exits with ${status}, the page says ${stated}`];
  });
  const unknown = [...sections.keys()].filter((name) => /^[A-Z][A-Za-z]+$/.test(name) && !(name in codes))
    .map((name) => `docs/errors.md describes ${name}, which no code defines`);
  return [...missing, ...unknown];
}

/** Links of our pages that lead nowhere: a missing file, or an anchor that no heading has. */
export function linkFaults(root: string, pages: readonly string[]): string[] {
  return pages.flatMap((page) => {
    const text = Deno.readTextFileSync(join(root, page));
    const targets = [...prose(text).matchAll(/\]\(([^)\s]+)\)/g)].map((match) => match[1]);
    return targets.filter((target) => !/^[a-z]+:/.test(target)).flatMap((target) => {
      const [file, anchor] = target.split("#");
      const path = file === "" ? join(root, page) : join(root, dirname(page), file);
      if (!existsSync(path)) return [`${page} links to ${target}, which does not exist`];
      if (anchor === undefined || !path.endsWith(".md")) return [];
      const known = headings(Deno.readTextFileSync(path)).map(anchorOf);
      return known.includes(anchor)
        ? []
        : [`${page} links to ${target}, but no heading there has that anchor`];
    });
  });
}

/** Files and folders of ours that pages name as evidence in code quotes, such as `tests/dp/`, and that are missing. */
export function evidenceFaults(root: string, pages: readonly string[]): string[] {
  return pages.flatMap((page) => {
    const text = prose(Deno.readTextFileSync(join(root, page)));
    const named = [...text.matchAll(/`((?:tests|src|tools|cli|bench|docs)\/[\w./-]*)`/g)].map((match) =>
      match[1]
    );
    return named.filter((path) => !existsSync(join(root, path))).map((path) =>
      `${page} names ${path}, which does not exist`
    );
  });
}

/**
 * Symbols that pages name with their file in code quotes, such as `src/m3oe/gate.ts#gateWeights`, and that the file
 * does not define: as a function, class, constant, interface, type, method or field.
 */
export function symbolFaults(root: string, pages: readonly string[]): string[] {
  return pages.flatMap((page) => {
    const text = prose(Deno.readTextFileSync(join(root, page)));
    return [...text.matchAll(/`([\w./-]+\.ts)#(\w+)`/g)].flatMap(([, path, symbol]) => {
      const file = join(root, path);
      if (!existsSync(file)) return [`${page} names ${path}, which does not exist`];
      const defined = new RegExp(
        `\\b(?:function|class|const|interface|type)\\s+${symbol}\\b|` +
          `^\\s+(?:static |async |get |readonly |#)*${symbol}\\??\\s*[(:<]`,
        "m",
      );
      return defined.test(Deno.readTextFileSync(file)) ? [] : [`${page}: ${path} does not define ${symbol}`];
    });
  });
}

/** The first commands of the README are the demo and the tests, and every task that it shows exists. */
export function commandFaults(readme: string, tasks: Readonly<Record<string, unknown>>): string[] {
  const fenced = [...readme.matchAll(/^```[^\n]*\n([\s\S]*?)^```/gm)].flatMap((match) =>
    match[1].split("\n")
  );
  const shown = fenced.flatMap((line) => /^(?:\$ )?npx -y deno@[0-9.]+ task ([a-z-]+)/.exec(line)?.[1] ?? []);
  return [
    ...(shown[0] === "demo" && shown[1] === "test"
      ? []
      : [`README.md: the first two commands are ${shown.slice(0, 2).join(" and ")}, not demo and test`]),
    ...shown.filter((task) => !(task in tasks)).map((task) =>
      `README.md shows the task ${task}, which does not exist`
    ),
  ];
}

/** Every markdown page of the tree: the root's and those below `docs/`. */
function pagesOf(root: string): string[] {
  const below = (folder: string): string[] =>
    existsSync(join(root, folder))
      ? [...Deno.readDirSync(join(root, folder))].flatMap(({ name, isDirectory }) =>
        isDirectory ? below(join(folder, name)) : name.endsWith(".md") ? [join(folder, name)] : []
      )
      : [];
  const top = [...Deno.readDirSync(root)].map(({ name }) => name).filter((name) => name.endsWith(".md"));
  return [...top, ...below("docs")].toSorted();
}

/** All faults of the documentation at `root`. */
export function checkDocs(root: string): string[] {
  const wanted = ["README.md", "docs/errors.md"];
  const missing = wanted.filter((page) => !existsSync(join(root, page)));
  if (missing.length > 0) return missing.map((page) => `${page} is missing`);
  const { tasks } = JSON.parse(Deno.readTextFileSync(join(root, "deno.json")));
  return [
    ...errorPageFaults(Deno.readTextFileSync(join(root, "docs/errors.md")), ERROR_EXIT_STATUS),
    ...linkFaults(root, pagesOf(root)),
    ...evidenceFaults(root, pagesOf(root)),
    ...symbolFaults(root, pagesOf(root)),
    ...commandFaults(Deno.readTextFileSync(join(root, "README.md")), tasks),
  ];
}

if (import.meta.main) report("docs", checkDocs(REPOSITORY), "error codes, links, symbols and commands agree");
