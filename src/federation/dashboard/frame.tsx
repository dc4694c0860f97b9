/** @jsxImportSource hono/jsx */
import { raw } from "hono/html";
import type { Markup } from "./figures.tsx";

/** What surrounds the content of a page. */
export interface Frame {
  /** Heading. */
  readonly title: string;
  /** Who is signed in. */
  readonly member: string | undefined;
  /** The dashboard's folder, from the page's address. */
  readonly home: string;
  /** Whether the page follows what happens. */
  readonly live: boolean;
}

/** A whole page around some sections. */
export function page({ title, member, home, live }: Frame, body: Markup): Markup {
  return (
    <>
      {raw("<!doctype html>")}
      <html lang="en">
        <head>
          <meta charset="utf-8" />
          <meta name="viewport" content="width=device-width, initial-scale=1" />
          <title>{title}</title>
          <link rel="stylesheet" href={`${home}style.css`} />
          {live ? <script src={`${home}live.js`} defer></script> : null}
        </head>
        <body>
          <a class="skip" href="#main">Skip to the content</a>
          <header>
            <h1>{title}</h1>
            {member === undefined ? null : (
              <>
                <p class="meta">
                  Signed in as {member}.{" "}
                  <span id="connection" role="status">This page was made when it was loaded.</span>
                </p>
                <form method="post" action={`${home}leave`}>
                  <button type="submit">Sign out</button>
                </form>
              </>
            )}
          </header>
          <main id="main">{body}</main>
        </body>
      </html>
    </>
  );
}
