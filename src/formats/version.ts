import config from "../../deno.json" with { type: "json" };

/** This build's version, from the project file. */
export const VERSION: string = config.version;
