import { serveRows } from "./_row_split.ts";

serveRows(self as unknown as Parameters<typeof serveRows>[0]);
