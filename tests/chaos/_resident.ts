import { selectBackend } from "../../src/tensor/mod.ts";
import { runNotedSite } from "./_noted_site.ts";
import type { Party } from "./_party.ts";

/** Sites that nobody kills: they live in this process, so that a run does not pay for the start of another one. */
export class Resident implements Party {
  log = "";
  readonly deaths = 0;
  readonly ended: Promise<number>;
  readonly #stop = new AbortController();

  /**
   * @param notebook folder of what they give to masking
   * @param configs one client.json for each
   * @param onLine receives each line that they write
   */
  constructor(notebook: string, configs: readonly string[], onLine: (line: string) => void) {
    const { signal } = this.#stop;
    const say = (line: string) => {
      this.log += `${line}\n`;
      onLine(line);
    };
    this.ended = selectBackend("cpu")
      .then(() =>
        Promise.all(configs.map((configFile) => runNotedSite({ configFile, notebook, signal, say })))
      )
      .then((codes) => Math.max(...codes));
  }

  /** Stops them. */
  async close(): Promise<void> {
    this.#stop.abort(new Error("the run is over"));
    await this.ended;
  }
}
