/** @jsxImportSource hono/jsx */
import type { Markup } from "./figures.tsx";

/** The way to the report, once there is a plan to report on. */
export function reportLink(planHash: string | undefined): Markup | null {
  if (planHash === undefined) return null;
  return <a href="dashboard/report">Privacy budget report, also for print</a>;
}

/** A table that scrolls by itself where it is too wide, and that a keyboard can reach. */
export function table(
  caption: string,
  head: readonly string[],
  rows: readonly (readonly string[])[],
): Markup {
  if (rows.length === 0) return <p class="note">Nothing yet.</p>;
  return (
    <div class="scroll" tabindex={0} role="region" aria-label={caption}>
      <table>
        <caption>{caption}</caption>
        <thead>
          <tr>{head.map((title) => <th key={title} scope="col">{title}</th>)}</tr>
        </thead>
        <tbody>
          {rows.map(([first, ...rest]) => (
            <tr key={first}>
              <th scope="row">{first}</th>
              {rest.map((cell, column) => <td key={head[column + 1]}>{cell}</td>)}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
