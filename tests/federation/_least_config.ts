/** What an aggregator's configuration has to say at least. */
export const LEAST_CONFIG = {
  federation: "test",
  state: "/nowhere",
  run: "/nowhere",
  sites: ["a", "b", "c"],
  data: { public: "/nowhere" },
  privacy: { neighboring: "add_or_remove_one" },
} as const;
